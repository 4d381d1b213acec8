"""The read side: a Faust worker whose tables hold agents and open chats, served as JSON."""
