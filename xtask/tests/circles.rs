//! Checks that the files of a crate do not import each other in a circle.
//!
//! A module and its own submodules may refer to each other, because they are one unit in several files.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{Item, UseTree, visit::Visit};

/// The path of a module within its crate, such as `["source", "ecs"]`.
type Module = Vec<String>;

/// The directories of crates.
const CRATES: [&str; 17] = [
    "acpw",
    "bench",
    "bench/scenes",
    "crates/config",
    "crates/host",
    "crates/metric",
    "crates/otlp",
    "crates/plot",
    "crates/shared-state",
    "crates/sigv4",
    "e2e",
    "gateway",
    "local-cloudwatch",
    "receiver",
    "sender",
    "simulation",
    "xtask",
];

/// The paths that a module refers to, outside of its tests.
#[derive(Default)]
struct References {
    paths: Vec<Vec<String>>,
    /// The paths of `pub use`, by which other modules find an item.
    reexports: Vec<Vec<String>>,
}

impl References {
    fn of(file: &syn::File) -> Self {
        let mut references = Self::default();
        references.visit_file(file);
        references
    }

    fn add_use(&mut self, prefix: &[String], tree: &UseTree, is_public: bool) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_use(&with(&path.ident), &path.tree, is_public),
            UseTree::Name(name) => self.add_path(with(&name.ident), is_public),
            UseTree::Rename(rename) => self.add_path(with(&rename.ident), is_public),
            UseTree::Glob(_) => self.add_path(prefix.to_vec(), is_public),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_use(prefix, tree, is_public)),
        }
    }

    fn add_path(&mut self, path: Vec<String>, is_public: bool) {
        if is_public {
            self.reexports.push(path);
        } else {
            self.paths.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for References {
    fn visit_item(&mut self, item: &'ast Item) {
        match item {
            Item::Mod(module) if module.attrs.iter().any(|attribute| attribute.path().is_ident("cfg")) => {}
            Item::Use(item) => self.add_use(&[], &item.tree, !matches!(item.vis, syn::Visibility::Inherited)),
            item => syn::visit::visit_item(self, item),
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.paths.push(segments);
        syn::visit::visit_path(self, path);
    }
}

/// The modules of a crate with their references.
struct Crate(BTreeMap<Module, References>);

impl Crate {
    fn read(root: &Path) -> Self {
        let mut files = Vec::new();
        list_files(root, &mut files);
        let modules = files.into_iter().map(|file| {
            let text = fs::read_to_string(&file).unwrap();
            (module(file.strip_prefix(root).unwrap()), References::of(&syn::parse_file(&text).unwrap()))
        });
        Self(modules.filter(|(module, _)| module.last().is_none_or(|name| name != "tests")).collect())
    }

    /// Returns the module that a path leads to, and the rest of the path.
    fn resolve(&self, module: &Module, path: &[String]) -> Option<(Module, Vec<String>)> {
        let (mut found, mut rest) = match path.first()?.as_str() {
            "crate" => (Module::new(), &path[1..]),
            "self" => (module.clone(), &path[1..]),
            "super" => (module.clone(), path),
            _ => return None,
        };
        while rest.first().is_some_and(|name| name == "super") {
            found.pop()?;
            rest = &rest[1..];
        }
        while let Some(name) = rest.first() {
            let next = [found.as_slice(), std::slice::from_ref(name)].concat();
            if !self.0.contains_key(&next) {
                break;
            }
            found = next;
            rest = &rest[1..];
        }
        Some((found, rest.to_vec()))
    }

    /// Returns the module that defines what a path refers to, through re-exports.
    fn definition(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let (found, rest) = self.resolve(module, path)?;
        if let Some(name) = rest.first()
            && depth < 8
            && let Some(references) = self.0.get(&found)
        {
            let is_it = |reexport: &&Vec<String>| reexport.last() == Some(name);
            if let Some(reexport) = references.reexports.iter().find(is_it) {
                let is_absolute = ["crate", "self", "super"].contains(&reexport[0].as_str());
                let reexport =
                    if is_absolute { reexport.clone() } else { [&["self".to_owned()], reexport.as_slice()].concat() };
                if self.resolve(&found, &reexport).is_some_and(|(next, _)| next != found) {
                    return self.definition(&found, &reexport, depth + 1);
                }
            }
        }
        Some(found)
    }

    /// Returns the modules that each module refers to, without its own submodules and the modules that contain it.
    fn arrows(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let of_module = |(module, references): (&'_ Module, &'_ References)| -> BTreeSet<Module> {
            let targets = references.paths.iter().filter_map(|path| self.definition(module, path, 0));
            targets.filter(|target| !target.starts_with(module) && !module.starts_with(target)).collect()
        };
        self.0.iter().map(|(module, references)| (module, of_module((module, references)))).collect()
    }

    /// Returns the modules of one circle, if there is one.
    fn circle(&self) -> Option<Vec<Module>> {
        let mut arrows = self.arrows();
        // Modules that refer to no remaining module cannot be part of a circle.
        loop {
            let remaining: BTreeSet<Module> = arrows.keys().map(|module| (*module).clone()).collect();
            let before = arrows.len();
            arrows.retain(|_, targets| targets.iter().any(|target| remaining.contains(target)));
            if arrows.len() == before {
                break;
            }
        }
        let mut path = vec![arrows.keys().next().map(|module| (*module).clone())?];
        loop {
            let next = arrows.get(path.last()?)?.iter().find(|target| arrows.contains_key(target))?.clone();
            if let Some(start) = path.iter().position(|module| *module == next) {
                return Some(path.split_off(start));
            }
            path.push(next);
        }
    }
}

fn list_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list_files(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn module(file: &Path) -> Module {
    let mut module: Module =
        file.with_extension("").components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    if module.last().is_some_and(|name| ["mod", "lib", "main"].contains(&name.as_str())) {
        module.pop();
    }
    module
}

fn parsed(files: &[(&[&str], &str)]) -> Crate {
    let modules = files.iter().map(|(module, text)| {
        (module.iter().map(|name| (*name).to_owned()).collect(), References::of(&syn::parse_file(text).unwrap()))
    });
    Crate(modules.collect())
}

#[test]
fn files_of_a_crate_form_no_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for name in CRATES.into_iter().filter(|name| root.join(name).exists()) {
        let circle = Crate::read(&root.join(name).join("src")).circle();
        let shown: Vec<String> = circle.iter().flatten().map(|module| module.join("::")).collect();
        assert!(shown.is_empty(), "{name}: {} import each other", shown.join(" → "));
    }
}

#[test]
fn every_crate_of_the_workspace_is_checked() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    for member in members.split(',').map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty()) {
        assert!(CRATES.contains(&member), "{member} is not in CRATES");
    }
}

#[test]
fn a_circle_is_found_through_reexports_and_paths_in_code() {
    let circle = parsed(&[
        (&[], "pub use b::B;"),
        (&["a"], "use crate::B; pub struct A(B);"),
        (&["b"], "use super::c; pub struct B(c::C);"),
        (&["c"], "pub struct C(crate::a::A);"),
    ]);
    assert_eq!(circle.circle().map(|circle| circle.len()), Some(3));
    let line = parsed(&[
        (&[], "pub use b::B;"),
        (&["a"], "use crate::B; #[cfg(test)] mod tests { use crate::c::C; }"),
        (&["b"], "pub struct B;"),
        (&["c"], "use crate::a::A; pub struct C(A);"),
        (&["c", "d"], "use super::C; pub struct D(C);"),
    ]);
    assert_eq!(line.circle(), None);
}
