"""Fused upsampling: the loss and the decision rule from low-resolution logits, one file per kernel and backend.

Logits come at the network's stride, labels and decisions have the image's size. The plain forms
(:mod:`labelforge.trainer.loss`, :mod:`labelforge.trainer.decision`) upsample first, and then read all C logits of every
pixel from memory. The kernels interpolate where they compute, and never write what was interpolated.

    choice       which backend computes
    sampling     where pixels lie between low-resolution logits; cells
    entries      the target table as the kernels read it
    fused        the loss as a function that PyTorch can differentiate, on top of any backend
    threads      one pool for kernels that leave Python's lock
    exponential_numba, exponential_triton   exponentials as kernels compute them
    loss_numba, decision_numba      on CPUs
    loss_torch                      on CPUs without numba
    loss_triton, decision_triton    on GPUs; what Triton compiles is in loss_cells_triton, loss_labels_triton and
                                    decision_cells_triton

*Cells.* Between four neighbouring low-resolution centres every logit is bilinear, hence convex combinations of its four
corners: the corners' maximum bounds it, and a child that is below another one at all four corners is below it
everywhere between. So most children of most cells are settled by looking at corners.
"""
