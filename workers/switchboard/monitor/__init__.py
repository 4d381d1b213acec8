"""The monitor: a Faust worker that reads rows and decisions of the routers, and serves them as JSON and a wallboard."""
