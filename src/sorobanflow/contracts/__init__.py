"""What contracts say of themselves (SEP-48): their specs, and events, calls and storage by name.

All modules here are pure: bytes and SEP-51 values in, plain objects out. Everything that they read
comes from strangers, so work and depth are bounded, and what does not fit is a result with a
reason, never an exception.
"""
