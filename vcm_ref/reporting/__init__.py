"""Facts about the work and how they are shown: tables, sizes, frames as pictures, versions and digests."""
