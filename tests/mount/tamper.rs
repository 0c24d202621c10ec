//! Every byte of a small vault flipped, every length cut, records and files swapped: each is seen.
