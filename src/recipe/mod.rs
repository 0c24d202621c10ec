//! Recipe folders: what the Python program of the article "AES encryption of files in Python with PyCrypto" left behind. `docs/recipe.md` in code.
//!
//! Knows that program's file format and the keys it used, and shows a folder of such files as any other kind is shown; does not know inodes, paths or who asks.
//! Keeps true: what is written can be read by that program, and nothing that was written is ever plain on disk.

mod check;
mod cipher;
mod format;
mod key;
mod padding;
mod stream;
mod whole;

pub use check::{Findings, Verdict, check};
pub use cipher::{Decryptor, Encryptor};
pub use format::{BLOCK_LEN, HEADER_LEN, Header, PADDING, SUFFIX, size_on_disk};
pub use key::{KeyError, RecipeKey};
pub use padding::Padding;
pub use stream::{StreamError, decrypt, encrypt};
pub use whole::{Output, decrypt_file, encrypt_file};
