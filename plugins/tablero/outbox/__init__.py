"""The outbox: the durable store of every staged status change, its batch, every attempt, and its outcome.

=============  ====================================================================================
``schema``     the tables
``rows``       the status changes of batches
``batches``    making batches, and counting their rows by civil day
``intake``     extractions: what the source gave, staged in batches
``queue``      batches on their way: claimed under a lease, attempts recorded, refused ones halved
``ledger``     the counts that prove that nothing was lost
=============  ====================================================================================
"""
