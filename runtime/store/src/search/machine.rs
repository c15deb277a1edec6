//! A [`Pattern`] run over a dictionary of words: byte by byte, as the dictionary stores them, and a state at a time, as
//! they are met. Every step is paid for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use tantivy_fst::Automaton;

use super::pattern::{Inst, Pattern};

/// Once there are so many states, the search is refused: they would take a megabyte.
const MAX_STATES: usize = 1000;

/// A pattern under way.
pub(crate) struct Machine<'p> {
    insts: &'p [Inst],
    states: RefCell<States>,
    steps: Cell<u64>,
    limit: u64,
}

/// Where a word has led.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    state: u32,
    /// The bits of a character of which not all bytes have come.
    partial: u32,
    missing: u8,
}

/// No word that leads here can match.
const DEAD: u32 = 0;
const UNKNOWN: u32 = u32::MAX;

/// The states that were met: sets of instructions that the machine can be at.
struct States {
    all: Vec<State>,
    by_insts: HashMap<Box<[u16]>, u32>,
    /// Steps that are no ASCII character's.
    next: HashMap<(u32, char), u32>,
}

struct State {
    insts: Box<[u16]>,
    accepts: bool,
    /// The next state for each ASCII character.
    ascii: Box<[u32; 128]>,
}

impl<'p> Machine<'p> {
    /// A machine that may take so many steps.
    pub(crate) fn new(pattern: &'p Pattern, limit: u64) -> Self {
        let states = States { all: Vec::new(), by_insts: HashMap::new(), next: HashMap::new() };
        let machine = Self { insts: pattern.insts(), states: RefCell::new(states), steps: Cell::new(0), limit };
        machine.enter(&mut machine.states.borrow_mut(), &[]);
        machine
    }

    /// How many steps it took.
    pub(crate) fn steps(&self) -> u64 {
        self.steps.get()
    }

    /// Was it stopped before it was done?
    pub(crate) fn is_exhausted(&self) -> bool {
        self.steps.get() > self.limit
    }

    fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(steps as u64));
    }

    /// The state of being at these instructions and all that follow without taking a character.
    fn enter(&self, states: &mut States, starts: &[u16]) -> u32 {
        let mut reached = vec![false; self.insts.len()];
        let mut open: Vec<usize> = starts.iter().map(|inst| usize::from(*inst)).collect();
        let mut insts = Vec::new();
        while let Some(inst) = open.pop() {
            if std::mem::replace(&mut reached[inst], true) {
                continue;
            }
            match self.insts[inst] {
                Inst::Split(a, b) => open.extend([a, b]),
                Inst::Jump(a) => open.push(a),
                _ => insts.push(inst as u16),
            }
        }
        insts.sort_unstable();
        self.spend(self.insts.len());
        let insts = insts.into_boxed_slice();
        if let Some(state) = states.by_insts.get(&insts) {
            return *state;
        }
        if states.all.len() >= MAX_STATES {
            self.steps.set(u64::MAX);
            return DEAD;
        }
        let accepts = insts.iter().any(|inst| self.insts[usize::from(*inst)] == Inst::Match);
        let state = states.all.len() as u32;
        states.all.push(State { insts: insts.clone(), accepts, ascii: Box::new([UNKNOWN; 128]) });
        states.by_insts.insert(insts, state);
        state
    }

    fn step(&self, state: u32, c: char) -> u32 {
        let mut states = self.states.borrow_mut();
        let known = match u8::try_from(c) {
            Ok(ascii @ 0..128) => states.all[state as usize].ascii[usize::from(ascii)],
            _ => states.next.get(&(state, c)).copied().unwrap_or(UNKNOWN),
        };
        if known != UNKNOWN {
            return known;
        }
        let takes = |inst: &&u16| self.insts[usize::from(**inst)].takes(c);
        let starts: Vec<u16> = states.all[state as usize].insts.iter().filter(takes).map(|inst| inst + 1).collect();
        let next = self.enter(&mut states, &starts);
        match u8::try_from(c) {
            Ok(ascii @ 0..128) => states.all[state as usize].ascii[usize::from(ascii)] = next,
            _ => _ = states.next.insert((state, c), next),
        }
        next
    }
}

impl Automaton for Machine<'_> {
    type State = Place;

    fn start(&self) -> Place {
        let state = self.enter(&mut self.states.borrow_mut(), &[0]);
        Place { state, partial: 0, missing: 0 }
    }

    fn is_match(&self, place: &Place) -> bool {
        place.missing == 0 && self.states.borrow().all[place.state as usize].accepts
    }

    fn can_match(&self, place: &Place) -> bool {
        place.state != DEAD && !self.is_exhausted()
    }

    fn accept(&self, place: &Place, byte: u8) -> Place {
        self.spend(1);
        let (partial, missing) = match (place.missing, byte) {
            (0, 0..0x80) => (u32::from(byte), 0),
            (0, 0xc0..0xe0) => (u32::from(byte & 0x1f), 1),
            (0, 0xe0..0xf0) => (u32::from(byte & 0x0f), 2),
            (0, _) => (u32::from(byte & 0x07), 3),
            (missing, _) => (place.partial << 6 | u32::from(byte & 0x3f), missing - 1),
        };
        if missing > 0 {
            return Place { state: place.state, partial, missing };
        }
        // The dictionary holds UTF-8 only; what is none leads nowhere.
        let state = char::from_u32(partial).map_or(DEAD, |c| self.step(place.state, c));
        Place { state, partial: 0, missing: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(machine: &Machine, word: &str) -> bool {
        let end = word.bytes().fold(machine.start(), |place, byte| machine.accept(&place, byte));
        machine.is_match(&end)
    }

    #[test]
    fn words_are_taken_character_by_character() {
        let pattern = Pattern::regexp("日?[^x]é*|aß").unwrap();
        let machine = Machine::new(&pattern, 10_000);
        for (word, is) in [
            ("日本", true),
            ("日", true),
            ("aéé", true),
            ("aß", true),
            ("𝄞", true),
            ("x", false),
            ("日本x", false),
            ("", false),
        ] {
            assert_eq!(run(&machine, word), is, "{word}");
        }
        assert!(!machine.is_exhausted());
        let dead = "xx".bytes().fold(machine.start(), |place, byte| machine.accept(&place, byte));
        assert!(!machine.can_match(&dead));
    }

    #[test]
    fn a_machine_stops_when_its_steps_are_used_up() {
        let pattern = Pattern::regexp(".*").unwrap();
        let machine = Machine::new(&pattern, 50);
        assert!(run(&machine, "short"));
        run(&machine, &"long".repeat(20));
        assert!(machine.is_exhausted() && !machine.can_match(&machine.start()));
    }

    #[test]
    fn a_pattern_whose_states_explode_is_stopped() {
        // A thousand places after the last `a` to remember: more states than there are atoms.
        let pattern = Pattern::regexp(".*a.{400}").unwrap();
        let machine = Machine::new(&pattern, u64::MAX - 1);
        let mut dice = 1_u32;
        for _ in 0..100 {
            let word: String = (0..500)
                .map(|_| {
                    dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if dice >> 31 == 0 { 'a' } else { 'b' }
                })
                .collect();
            run(&machine, &word);
        }
        assert!(machine.is_exhausted());
    }
}
