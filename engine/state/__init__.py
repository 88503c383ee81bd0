"""The venue's state: hot arrays under the kernels, cold registers under plain rules, one canonical hash over both."""
