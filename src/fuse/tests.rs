//! What every call has in common. The calls themselves are tested through a mount.

use super::adapter::Adapter;
use super::listings::Listings;
use super::seeker::Seeker;
use super::{Acls, STATUS, Terms, Told};
use crate::error::Error;
use crate::keys::{MasterKey, Names};
use crate::record::{Damage, Place, Reason};
use crate::vault::Vault;
use crate::view::{Access, NodeId, Options, Ownership, View};
use fuser::{Errno, INodeNo};
use rustix::fs::{Mode, OFlags};
use std::sync::Arc;
use std::time::Duration;

/// An adapter around a view of an empty vault.
fn adapter() -> Adapter {
    let root = rustix::fs::open(
        std::env::temp_dir(),
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .unwrap();
    let vault = Vault::new(&MasterKey::random(), Names::Encrypted);
    let options = Options {
        access: Access::ReadOnly,
        ownership: Ownership::Daemon,
        descriptors: 64,
    };
    Adapter::new(
        Arc::new(View::new(Box::new(vault), root, options).unwrap()),
        (Seeker::new().0, Listings::new().0),
        Terms {
            acls: Acls::Stored,
            lifetime: Duration::from_secs(1),
        },
        Arc::default(),
        Told {
            tally: Arc::default(),
            owner: 1000,
            answer: Box::new(|| b"told".to_vec()),
        },
    )
}

#[test]
fn a_panic_is_an_io_error_and_no_more() {
    let adapter = adapter();
    for _ in 0..3 {
        assert_eq!(
            adapter.call("test", INodeNo(1), |_, _| -> Result<(), Error> { panic!("on purpose") }),
            Err(Errno::EIO)
        );
    }
    assert!(adapter.call("getattr", INodeNo(1), View::getattr).is_ok());
}

#[test]
fn an_error_keeps_its_number() {
    let adapter = adapter();
    let answer = |error: fn() -> Error| adapter.call("test", INodeNo(1), |_, _| Err::<(), _>(error()));
    assert_eq!(answer(|| rustix::io::Errno::NOSPC.into()), Err(Errno::ENOSPC));
    assert_eq!(answer(|| rustix::io::Errno::DQUOT.into()), Err(Errno::EDQUOT));
    assert_eq!(answer(|| rustix::io::Errno::ROFS.into()), Err(Errno::EROFS));
    assert_eq!(answer(|| rustix::io::Errno::ACCESS.into()), Err(Errno::EACCES));
    assert_eq!(answer(|| rustix::io::Errno::NODATA.into()), Err(Errno::ENODATA));
    assert_eq!(answer(|| Error::Stale), Err(Errno::ESTALE));
    assert_eq!(
        answer(|| Damage {
            place: Place::Header,
            reason: Reason::Tag
        }
        .into()),
        Err(Errno::EIO)
    );
}

#[test]
fn a_call_is_about_the_inode_it_names() {
    assert_eq!(adapter().call("test", INodeNo(77), |_, node| Ok(node)), Ok(NodeId(77)));
}

#[test]
fn what_is_told_is_told_to_the_owner_and_root() {
    let told = Told {
        tally: Arc::default(),
        owner: 1000,
        answer: Box::new(|| b"told".to_vec()),
    };
    for (uid, expected) in [(1000, Some(&b"told"[..])), (0, Some(b"told")), (1001, None)] {
        assert_eq!(told.to(uid).ok().as_deref(), expected, "{uid}");
    }
    let name = std::ffi::OsStr::new(STATUS.to_str().unwrap());
    assert!(told.is_asked(NodeId::ROOT, name));
    assert!(!told.is_asked(NodeId(2), name));
    assert!(!told.is_asked(NodeId::ROOT, std::ffi::OsStr::new("user.plainview.status")));
}
