"""The loop IR as Triton kernels. Triton itself is imported only where kernels are compiled or run."""
