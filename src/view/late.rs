//! The order of writes that come late, from the kernel's cache, and make a file longer: each after the one that ends where it begins.
//!
//! The kernel hands them over in the order of their places, and several threads take them. One that came before the one in front of it would leave a gap, which becomes a hole, and is
//! filled a moment later. So each thread seals what it took, and then one of them writes: its own, and what others have left. For whose turn it is not does not wait: it leaves its
//! write, unless many are left already, and takes the kernel's next request. To wait would cost more than it seems: a thread that is woken may have to run on the processor of the
//! one that woke it, which goes on, while another processor has nothing to do (docs/performance.md).

use super::Privileges;
use crate::error::Result;
use crate::folder::Late;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many writes may be left, in all queues of a view: each may be as large as a request. More would be in memory for longer, and not be done sooner.
const LEFT_MAX: usize = 16;

/// Room for writes that are left.
#[derive(Clone, Default)]
pub(super) struct Rooms(Arc<AtomicUsize>);

/// Room for one of them, until it is done.
pub(super) struct Room(Rooms);

impl Rooms {
    fn take(&self) -> Option<Room> {
        let one_more = |taken| (taken < LEFT_MAX).then_some(taken + 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more).ok()?;
        Some(Room(self.clone()))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The late writes to a file that are under way.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// One of them is done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    writes: Vec<Write>,
    /// Whether somebody does those that were left.
    busy: bool,
    last_id: u64,
}

struct Write {
    id: u64,
    offset: u64,
    end: u64,
    /// Once its thread has left it.
    left: Option<Left>,
}

/// A write that its thread has left.
pub(super) struct Left {
    pub(super) late: Late<'static>,
    pub(super) privileges: Privileges,
    /// What is to be done with what comes of it.
    pub(super) then: Box<dyn FnOnce(Result<()>) + Send>,
    pub(super) room: Room,
}

/// A write that is under way in this thread. Dropped by a panic only: then so is what was left to it.
pub(super) struct Turn<'a> {
    queue: &'a Queue,
    id: u64,
    /// Whether this is who does those that were left.
    busy: bool,
}

impl Queue {
    /// A write of `len` bytes at `offset` has come.
    pub(super) fn enter(&self, offset: u64, len: usize) -> Turn<'_> {
        let end = u64::try_from(len).map_or(u64::MAX, |len| offset.saturating_add(len));
        let mut state = self.state.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.writes.push(Write {
            id,
            offset,
            end,
            left: None,
        });
        Turn {
            queue: self,
            id,
            busy: false,
        }
    }
}

impl Turn<'_> {
    /// Returns `write` when it is its turn. If that is not yet, it is left, in the form that `leave` gives it, if there is room for it in `rooms`.
    pub(super) fn come<W>(mut self, write: W, rooms: &Rooms, leave: impl FnOnce(W, Room) -> Left) -> Option<(Self, W)> {
        let mut state = self.queue.state.lock();
        let room = loop {
            if !state.busy && !state.has_before(self.id) {
                state.busy = true;
                drop(state);
                self.busy = true;
                return Some((self, write));
            }
            if let Some(room) = rooms.take() {
                break room;
            }
            // Whoever is at a write of this queue says when it is done. So this ends, although nobody says when there is room again for another reason.
            self.queue.done.wait(&mut state);
        };
        // Who does the one before it, or is at one now, takes it up.
        if let Some(own) = state.writes.iter_mut().find(|own| own.id == self.id) {
            own.left = Some(leave(write, room));
        }
        drop(state);
        std::mem::forget(self);
        None
    }

    /// The write is done. Returns one that was left and has its turn now, unless somebody else does those.
    pub(super) fn next(mut self) -> Option<(Self, Left)> {
        let mut state = self.queue.state.lock();
        state.remove(&self);
        let next = if state.busy { None } else { state.take() };
        state.busy |= next.is_some();
        drop(state);
        // Soon there is room for one more to be left; or anybody may have the turn.
        match next {
            Some(_) => _ = self.queue.done.notify_one(),
            None => _ = self.queue.done.notify_all(),
        }
        let Some((id, left)) = next else {
            std::mem::forget(self);
            return None;
        };
        (self.id, self.busy) = (id, true);
        Some((self, left))
    }
}

impl State {
    /// Whether something is under way that ends where the write `id` begins. That one begins before it, so no two wait for each other.
    fn has_before(&self, id: u64) -> bool {
        let begins = self.writes.iter().find(|own| own.id == id).map_or(0, |own| own.offset);
        self.writes.iter().any(|write| write.end == begins && write.offset < begins)
    }

    /// Takes a write that was left and has its turn. Its place stays.
    fn take(&mut self) -> Option<(u64, Left)> {
        let has_turn = |write: &&Write| write.left.is_some() && !self.has_before(write.id);
        let id = self.writes.iter().find(has_turn)?.id;
        let left = self.writes.iter_mut().find(|write| write.id == id)?.left.take()?;
        Some((id, left))
    }

    fn remove(&mut self, turn: &Turn<'_>) {
        self.writes.retain(|write| write.id != turn.id);
        self.busy &= !turn.busy;
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut dropped = Vec::new();
        let mut state = self.queue.state.lock();
        state.remove(self);
        while !state.busy {
            let Some((id, left)) = state.take() else { break };
            state.writes.retain(|write| write.id != id);
            dropped.push(left);
        }
        drop(state);
        self.queue.done.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, RngExt, SeedableRng};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::time::Duration;

    type Place = (u64, usize);

    /// A write at `place`, left: says its place when it is done.
    fn left(place: Place, room: Room, done: &Sender<Place>) -> Left {
        let done = done.clone();
        Left {
            late: Late::new(place.0, &[]).detach(),
            privileges: Privileges::Keep,
            then: Box::new(move |written| written.map(|()| done.send(place).unwrap()).unwrap()),
            room,
        }
    }

    /// What its thread is at, when something else can happen.
    enum Step<'a> {
        Sealing(Turn<'a>, Place),
        Writing(Turn<'a>, Place),
        WritingLeft(Turn<'a>, Left),
    }

    /// Takes the `writes`, in their order, so many at a time, and does them, which is the next to go on being left to chance; one that `comes` at its turn, in order. Returns them in
    /// the order in which they were done.
    fn done(rng: &mut StdRng, at_a_time: usize, writes: &[Place], comes: impl Fn(Place) -> bool) -> Vec<Place> {
        let (queue, rooms) = (Queue::default(), Rooms::default());
        let (said, heard): (_, Receiver<Place>) = channel();
        let (mut under_way, mut writes) = (Vec::new(), writes.iter().copied());
        loop {
            while queue.state.lock().writes.len() < at_a_time
                && let Some(place) = writes.next()
            {
                under_way.push(Step::Sealing(queue.enter(place.0, place.1), place));
            }
            if under_way.is_empty() {
                break;
            }
            let one = rng.random_range(0..under_way.len());
            let next = match under_way.swap_remove(one) {
                Step::Sealing(turn, place) if comes(place) => turn
                    .come(place, &rooms, |place, room| left(place, room, &said))
                    .map(|(turn, place)| Step::Writing(turn, place)),
                Step::Sealing(turn, place) => Some(Step::Writing(turn, place)),
                Step::Writing(turn, place) => {
                    said.send(place).unwrap();
                    turn.next().map(|(turn, left)| Step::WritingLeft(turn, left))
                }
                Step::WritingLeft(turn, left) => {
                    (left.then)(Ok(()));
                    turn.next().map(|(turn, left)| Step::WritingLeft(turn, left))
                }
            };
            under_way.extend(next);
            let doing = under_way.iter().filter(|step| match step {
                Step::Sealing(..) => false,
                Step::Writing(_, place) => comes(*place),
                Step::WritingLeft(..) => true,
            });
            assert!(doing.count() <= 1, "one at a time");
        }
        let state = queue.state.lock();
        assert!(state.writes.is_empty() && !state.busy);
        heard.try_iter().collect()
    }

    #[test]
    fn each_is_done_once_and_after_what_it_follows() {
        let seed = rand::rng().next_u64();
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        for _ in 0..2000 {
            // Three stretches side by side, some of them within the file.
            let ends: [u64; 3] = std::array::from_fn(|at| u64::try_from(at).unwrap() * 1_000_000);
            let mut ends = ends;
            let writes: Vec<Place> = (0..rng.random_range(1..30))
                .map(|_| {
                    let (end, len) = (&mut ends[rng.random_range(0..3)], rng.random_range(1..100));
                    let offset = *end;
                    *end += len;
                    (offset, usize::try_from(len).unwrap())
                })
                .collect();
            let at_a_time = rng.random_range(1..=LEFT_MAX);
            let comes = |place: Place| place.0 < 2_000_000;
            let done = done(&mut rng, at_a_time, &writes, comes);
            let mut sorted = (done.clone(), writes.clone());
            sorted.0.sort_unstable();
            sorted.1.sort_unstable();
            assert_eq!(sorted.0, sorted.1);
            for stretch in 0..2 {
                let of = |places: &[Place]| {
                    places
                        .iter()
                        .copied()
                        .filter(|place| place.0 / 1_000_000 == stretch)
                        .collect::<Vec<_>>()
                };
                assert_eq!(of(&done), of(&writes));
            }
        }
    }

    #[test]
    fn what_does_not_follow_waits_for_nothing() {
        let (queue, rooms) = (Queue::default(), Rooms::default());
        let (said, _heard) = channel();
        for place in [(0, 100), (101, 50), (50, 100), (10, 0), (0, 10), (10, 0)] {
            // Under way all along.
            std::mem::forget(queue.enter(place.0, place.1));
        }
        for place in [(150, 5), (99, 5), (101, 5), (0, 5)] {
            let come = queue
                .enter(place.0, place.1)
                .come(place, &rooms, |place, room| left(place, room, &said));
            let has_turn = come.is_some();
            assert_eq!(has_turn, place.0 != 150, "{place:?}");
            if let Some((turn, _)) = come {
                assert!(turn.next().is_none());
            }
        }
    }

    #[test]
    fn the_same_place_may_be_written_twice() {
        let mut rng = StdRng::seed_from_u64(1);
        for _ in 0..200 {
            let done = done(&mut rng, 6, &[(0, 100), (0, 100), (100, 7), (100, 7), (107, 0), (107, 0)], |_| true);
            let places: Vec<_> = done.iter().map(|(offset, _)| *offset).collect();
            assert_eq!(places, [0, 0, 100, 100, 107, 107]);
        }
    }

    /// By threads that seal for different times, of which some have to wait.
    #[test]
    fn no_more_are_left_than_there_may_be() {
        let (queue, rooms) = (Queue::default(), Rooms::default());
        let (said, heard) = channel();
        let writes: Vec<Place> = (0..400).map(|at| (10 * at, 10)).collect();
        let taken = Mutex::new(writes.iter().copied());
        let most = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..3 * LEFT_MAX)
                .map(|_| {
                    let said = said.clone();
                    let (queue, rooms, taken) = (&queue, rooms.clone(), &taken);
                    scope.spawn(move || {
                        let mut most = 0;
                        loop {
                            let mut taken = taken.lock();
                            let Some(place) = taken.next() else { return most };
                            let turn = queue.enter(place.0, place.1);
                            drop(taken);
                            // The first of many is the last to be ready.
                            std::thread::sleep(Duration::from_micros(if place.0 % 400 == 0 { 3000 } else { 100 }));
                            let Some((turn, place)) = turn.come(place, &rooms, |place, room| left(place, room, &said)) else {
                                continue;
                            };
                            said.send(place).unwrap();
                            let mut next = turn.next();
                            while let Some((turn, left)) = next {
                                most = most.max(rooms.0.load(Ordering::SeqCst));
                                (left.then)(Ok(()));
                                next = turn.next();
                            }
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).max()
        });
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), writes);
        assert_eq!(most, Some(LEFT_MAX));
    }

    /// As after a panic in what comes before, while it is sealed or written.
    #[test]
    fn what_nobody_is_there_to_do_is_dropped() {
        for writing in [false, true] {
            let (queue, rooms) = (Queue::default(), Rooms::default());
            let (said, heard) = channel();
            let first = queue.enter(0, 10);
            for place in [(10, 10), (20, 10)] {
                assert!(
                    queue
                        .enter(place.0, place.1)
                        .come(place, &rooms, |place, room| left(place, room, &said))
                        .is_none()
                );
            }
            let other = queue.enter(30, 10);
            drop(said);
            match writing {
                false => drop(first),
                true => drop(first.come((), &rooms, |(), _| unreachable!()).unwrap().0),
            }
            assert!(heard.recv().is_err(), "all are dropped, and none is done");
            let (turn, ()) = other.come((), &rooms, |(), _| unreachable!()).unwrap();
            assert!(turn.next().is_none());
            assert!(queue.state.lock().writes.is_empty());
        }
    }
}
