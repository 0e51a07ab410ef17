"""From the tensor IR to kernels: `program.schedule` runs all of it, and `sizes` tells how far a schedule reaches without the rest."""
