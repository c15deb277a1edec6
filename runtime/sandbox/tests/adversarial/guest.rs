//! Components written by hand, for what no Rust guest can express: a core module as text, of which each test replaces
//! the part that misbehaves, made into a component by the same encoder that toolchains use.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A sender in the making. As it stands it answers `done` and does nothing else.
pub(crate) struct Guest {
    /// Packages of interfaces, besides our own, that `imports` names.
    packages: Vec<String>,
    /// What the component imports, one clause of a WIT world each.
    imports: Vec<String>,
    /// Imports, globals, functions and data of the core module.
    items: Vec<String>,
    name: String,
    send: String,
    realloc: String,
    memory: String,
}

impl Guest {
    pub(crate) fn new() -> Self {
        Self {
            packages: Vec::new(),
            imports: Vec::new(),
            items: Vec::new(),
            name: "(i32.const 16)".into(),
            send: "(i32.const 0)".into(),
            // Everything goes to the same place: no guest here looks at two results at once.
            realloc: "(i32.const 4096)".into(),
            memory: "1".into(),
        }
    }

    /// Offers the guest an interface that is not ours. A package may say less than the real one.
    pub(crate) fn package(mut self, wit: &str) -> Self {
        self.packages.push(wit.into());
        self
    }

    /// Imports an interface.
    pub(crate) fn import(mut self, interface: &str) -> Self {
        self.imports.push(format!("import {interface};"));
        self
    }

    /// Adds a field to the core module.
    pub(crate) fn item(mut self, wat: &str) -> Self {
        self.items.push(wat.into());
        self
    }

    /// The body of `name`: it leaves the address of a pointer and a length.
    pub(crate) fn name(mut self, wat: &str) -> Self {
        self.name = wat.into();
        self
    }

    /// The body of `send`: it leaves the address of the result. At address 0 there is `done`.
    pub(crate) fn send(mut self, wat: &str) -> Self {
        self.send = wat.into();
        self
    }

    /// The body of `cabi_realloc`, by which the host gets memory for what it hands to the guest.
    pub(crate) fn realloc(mut self, wat: &str) -> Self {
        self.realloc = wat.into();
        self
    }

    /// The limits of the memory, in pages of 64 KiB.
    pub(crate) fn memory(mut self, limits: &str) -> Self {
        self.memory = limits.into();
        self
    }

    /// The component's bytes.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit")).unwrap();
        for package in &self.packages {
            resolve.push_str("package.wit", package).unwrap();
        }
        let imports = self.imports.join(" ");
        let world = format!("package test:guest; world guest {{ {imports} export pusher:sender/sender@0.1.0; }}");
        let package = resolve.push_str("guest.wit", &world).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();

        let mut module = wat::parse_str(self.module()).unwrap();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
    }

    fn module(&self) -> String {
        // Imports stand before everything else in a module.
        let (imports, items): (Vec<_>, Vec<_>) = self.items.iter().partition(|item| item.starts_with("(import"));
        let (imports, items) =
            (imports.into_iter().cloned().collect::<String>(), items.into_iter().cloned().collect::<String>());
        let Self { name, send, realloc, memory, .. } = self;
        format!(
            r#"(module {imports}
                (memory (export "memory") {memory})
                (data (i32.const 16) "\18\00\00\00\04\00\00\00hand")
                (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32)
                    (result i32) {realloc})
                (func (export "pusher:sender/sender@0.1.0#name") (result i32) {name})
                (func (export "pusher:sender/sender@0.1.0#send") (param i32 i32 i32 i32 i32 i32 i32 i32 i32)
                    (result i32) {send})
                {items})"#
        )
    }
}

/// A loop that never ends.
pub(crate) const FOR_EVER: &str = "(loop $again (br $again)) (unreachable)";
