"""The outbox: the durable store of every staged status change, its batch, every attempt, and its outcome.

=============  ====================================================================================
``schema``     the tables
``target``     the one dashboard that this outbox delivers to
``rows``       the status changes of batches
``batches``    making batches, and counting their rows by civil day
``intake``     extractions: what the source gave, staged in batches
``queue``      batches on their way: claimed under a lease, attempts recorded, refused ones halved
``ledger``     the counts that prove that nothing was lost
``adoption``   rows that are delivered on a person's word, because the outbox that knew it is lost
``incidents``  failed tasks and runs, and what of them was told
``reports``    what the page's questions have in common
``reports_*``  the questions, by what they are about
``requeue``    what people ask for on the page
=============  ====================================================================================
"""
