"""Messages to people that are waiting to be sent, and the periods whose digest was sent."""
