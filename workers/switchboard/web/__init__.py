"""What the web servers of the router and of the monitor have in common: limits, deadlines and shared results."""
