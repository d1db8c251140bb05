"""What numpy must find in the environment before it is imported so that it starts no threads: a process that has but
one can be forked."""

ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
