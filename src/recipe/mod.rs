//! Recipe folders: what the Python program of the article "AES encryption of files in Python with PyCrypto" left behind. `docs/recipe.md` in code.
//!
//! Knows that program's file format and the keys it used, and shows a folder of such files as any other kind is shown; does not know inodes, paths or who asks.
//! Keeps true: what is written can be read by that program, and nothing is ever plain on disk but what was to be decrypted there.

mod check;
mod cipher;
mod disk;
mod file;
mod folder;
mod format;
mod key;
mod other;
mod padding;
mod stream;
mod whole;

/// What is weak in this format, in a sentence.
pub const WEAKNESS: &str = "a recipe folder is weakly protected: nothing in it is authenticated, its key is a bare hash of the password, and names are visible; `plainview import` moves it into a vault";

pub use check::{Findings, Verdict, check};
pub use cipher::{Decryptor, Encryptor};
pub use folder::{Others, Recipe};
pub use format::{BLOCK_LEN, HEADER_LEN, Header, PADDING, SUFFIX, size_on_disk};
pub use key::{KeyError, RecipeKey};
pub use padding::Padding;
pub use stream::{StreamError, decrypt, encrypt};
pub use whole::{Output, decrypt_file, encrypt_file};
