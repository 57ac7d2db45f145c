"""What people are alerted about: why tasks failed, the incidents that follow from it, messages that are waiting to be sent, and
the periods whose digest was sent.
"""
