//! Compares the public API with `api.txt`, so that every change appears in review, and checks that each feature exports
//! the types that its signatures need.
//!
//! `METERKIT_UPDATE_API=1 cargo test -p meterkit --test main public_api` writes the file.
//!
//! Stable Rust has no machine-readable documentation, so the listing is built from the sources: from `lib.rs` along
//! `pub mod` and `pub use`, through the crates of this workspace. The expansion of macros is not listed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{env, fs};

use quote::{ToTokens, quote};
use syn::{Attribute, Fields, Ident, ImplItem, Item, TraitItem, Type, UseTree, Visibility};

const LISTING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/api.txt");
const ROOT: &str = "meterkit";

#[test]
fn the_listing_is_up_to_date() {
    let mut listing = String::new();
    for ((module, name), signatures) in Workspace::read().exports(ROOT) {
        listing += &format!("{module}::{name}\n");
        signatures.iter().for_each(|it| listing += &format!("    {it}\n"));
    }
    if env::var_os("METERKIT_UPDATE_API").is_some() {
        fs::write(LISTING, &listing).unwrap();
    }
    let known = fs::read_to_string(LISTING).unwrap_or_default();
    let difference = known.lines().zip(listing.lines()).find(|(known, found)| known != found);
    assert!(
        known == listing,
        "the public API has changed, first at {difference:#?}; run with METERKIT_UPDATE_API=1 and see `git diff`"
    );
}

#[test]
fn the_root_is_short() {
    let exports = Workspace::read().exports(ROOT);
    let root: Vec<_> = exports.keys().filter(|(module, _)| module == ROOT).collect();
    assert!(root.len() <= 35, "the root may have 35 names, it has {}: {root:?}", root.len());
}

#[test]
fn each_feature_alone_exports_what_its_signatures_need() {
    let mut workspace = Workspace::read();
    // Crates that only tests use have no public API.
    let crates = workspace.crates.keys().filter(|name| !name.ends_with("fakes")).cloned();
    let crates: Vec<_> = crates.collect();
    let known =
        crates.iter().flat_map(|it| workspace.exports(it).into_keys().map(|(_, name)| name));
    // Types that no crate exports are sealed, so that nobody can name them.
    let types: BTreeSet<_> = known.filter(|it| it.starts_with(char::is_uppercase)).collect();
    let manifest = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap();
    let features = manifest.split("[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let features = features.lines().filter_map(|line| Some(line.split_once(" = [")?.0));
    let mut missing = BTreeMap::<_, Vec<_>>::new();
    for feature in features.chain(["none"]) {
        workspace.feature = Some(feature.to_owned());
        let exports = workspace.exports(ROOT);
        let names: BTreeSet<_> = exports.keys().map(|(_, name)| name).collect();
        for signature in exports.values().flatten() {
            // The first word is a keyword, or the name of a variant or a field. Strings in attributes are not names.
            let code: String = signature.split('"').step_by(2).collect();
            let words = code.split(|c: char| !c.is_alphanumeric() && c != '_').skip(1);
            let unknown =
                words.map(str::to_owned).filter(|it| types.contains(it) && !names.contains(it));
            unknown
                .for_each(|it| missing.entry((it, signature.clone())).or_default().push(feature));
        }
    }
    assert!(
        missing.is_empty(),
        "signatures need names that these features do not export: {missing:#?}"
    );
}

#[test]
fn errors_print_their_text_with_debug_too() {
    let exports = Workspace::read().exports(ROOT);
    let is_derived = |it: &String| it.contains("thiserror::Error") && it.contains("Debug");
    let derived = exports.iter().filter(|(_, signatures)| signatures.iter().any(is_derived));
    let names: Vec<_> = derived.map(|(name, _)| name).collect();
    assert!(names.is_empty(), "use `debug_as_text!` in place of `derive(Debug)`: {names:?}");
}

/// All crates of the workspace. The items of `a/b.rs` are in module `a::b`.
struct Workspace {
    crates: BTreeMap<String, BTreeMap<String, Vec<Item>>>,
    /// The only enabled feature of `meterkit`; `None` for all features.
    feature: Option<String>,
}

/// The signatures of items, by module and name.
type Exports = BTreeMap<(String, String), Vec<String>>;

impl Workspace {
    fn read() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folders =
            ["../../crates", "../../exporters"].map(|it| fs::read_dir(here.join(it)).unwrap());
        let read = |folder: PathBuf| {
            let manifest = fs::read_to_string(folder.join("Cargo.toml")).ok()?;
            // Crates that only tests use have no public API.
            if manifest.contains("\npublish = false\n") {
                return None;
            }
            let mut modules = BTreeMap::new();
            read_folder(&folder.join("src"), "", &mut modules);
            Some((manifest.split('"').nth(1)?.replace('-', "_"), modules))
        };
        let crates = folders.into_iter().flatten().filter_map(|it| read(it.unwrap().path()));
        Self { crates: crates.collect(), feature: None }
    }

    fn exports(&self, krate: &str) -> Exports {
        let mut exports = Exports::new();
        self.walk(krate, "", krate, &mut exports);
        exports
    }

    /// Adds the exports of a module, under the path `shown`.
    fn walk(&self, krate: &str, module: &str, shown: &str, exports: &mut Exports) {
        let items = self.crates[krate].get(module).into_iter().flatten();
        for item in items.filter(|it| self.has(krate, it)) {
            let export = |exports: &mut Exports, name: &str, path: &[String]| {
                let export = exports.entry((shown.to_owned(), name.to_owned())).or_default();
                export.extend(self.signatures(krate, path));
            };
            let name =
                parts(item).and_then(|(.., name)| Some(name?.to_string())).unwrap_or_default();
            match item {
                Item::Impl(_) => {}
                Item::Mod(_) => {
                    self.walk(krate, &join(module, &name), &join(shown, &name), exports)
                }
                Item::Use(item) => {
                    for (path, name) in paths(&item.tree) {
                        match self.crates.contains_key(&path[0]) && path.len() == 1 {
                            true => self.walk(&path[0], "", &join(shown, &name), exports),
                            false => export(&mut *exports, &name, &path),
                        }
                    }
                }
                _ => export(&mut *exports, &name, std::slice::from_ref(&name)),
            }
        }
    }

    /// Returns the signatures of the item that a path in `krate` refers to, wherever it is defined.
    fn signatures(&self, krate: &str, path: &[String]) -> Vec<String> {
        let krate = if self.crates.contains_key(&path[0]) { &path[0] } else { krate };
        let wanted = &path[path.len() - 1];
        let items = self.crates[krate].values().flatten();
        let is_named =
            |it: &&Item| parts(it).is_some_and(|(.., name)| name.is_some_and(|it| it == wanted));
        let its = items.clone().filter(is_named).filter(|it| self.has(krate, it));
        let found: Vec<_> = its.flat_map(|it| self.signatures_of(krate, it)).collect();
        if !found.is_empty() {
            return found;
        }
        let uses = items
            .filter(|it| self.has(krate, it))
            .filter_map(|item| if let Item::Use(it) = item { Some(paths(&it.tree)) } else { None });
        let is_other = |path: &[String]| path[0] != *krate && self.crates.contains_key(&path[0]);
        let other = uses.flatten().find(|(path, name)| name == wanted && is_other(path));
        other.map_or_else(Vec::new, |(path, _)| self.signatures(&path[0], &path))
    }

    fn signatures_of(&self, krate: &str, item: &Item) -> Vec<String> {
        let mut lines = Vec::new();
        let mut item = item.clone();
        match &mut item {
            Item::Const(it) => *it.expr = syn::parse_quote!(_),
            Item::Enum(it) => {
                for it in it.variants.iter().filter(|it| self.is_shown(krate, &it.attrs)) {
                    let fields = it.fields.iter().map(|field| match (&field.ident, &field.ty) {
                        (None, ty) => quote!(#ty),
                        (Some(name), ty) => quote!(#name: #ty),
                    });
                    lines.push(format!("{} {}", it.ident, text(quote!((#(#fields),*)))));
                }
                it.variants.clear();
            }
            Item::Fn(it) => return vec![text(&it.sig)],
            Item::Impl(it) => {
                for it in &it.items {
                    match it {
                        ImplItem::Fn(it)
                            if is_public(&it.vis) && self.is_shown(krate, &it.attrs) =>
                        {
                            lines.push(text(&it.sig))
                        }
                        _ => {}
                    }
                }
                it.items.clear();
                if it.trait_.is_some() || lines.is_empty() {
                    return Vec::new();
                }
            }
            Item::Struct(it) => {
                let fields = it.fields.iter().filter(|it| is_public(&it.vis));
                lines.extend(
                    fields.map(|it| (&it.ident, &it.ty)).map(|(name, ty)| text(quote!(#name: #ty))),
                );
                it.fields = Fields::Unit;
            }
            Item::Trait(it) => {
                lines.extend(it.items.iter().filter_map(|it| match it {
                    TraitItem::Fn(it) => self.is_shown(krate, &it.attrs).then(|| text(&it.sig)),
                    TraitItem::Type(it) => Some(format!("type {}: {}", it.ident, text(&it.bounds))),
                    TraitItem::Const(it) => Some(format!("const {}: {}", it.ident, text(&it.ty))),
                    _ => None,
                }));
                it.items.clear();
            }
            _ => {}
        }
        [vec![text(item)], lines].concat()
    }

    /// Returns whether `item` is public and appears in the documentation.
    fn has(&self, krate: &str, item: &Item) -> bool {
        parts(item).is_some_and(|(vis, attributes, _)| {
            vis.is_none_or(is_public) && self.is_shown(krate, attributes)
        })
    }

    fn is_shown(&self, krate: &str, attributes: &[Attribute]) -> bool {
        attributes.iter().map(text).all(|it| {
            let cfg = it.strip_prefix("#[cfg(").and_then(|it| it.strip_suffix(")]"));
            match (cfg, &self.feature) {
                // A feature of meterkit-core is enabled by the feature with the same name.
                (Some(cfg), Some(feature)) if [ROOT, "meterkit_core"].contains(&krate) => {
                    holds(cfg, feature)
                }
                (cfg, _) => {
                    cfg != Some("test") && it != "#[doc(hidden)]" && it != "#[doc(no_inline)]"
                }
            }
        })
    }
}

/// Returns whether a condition holds if only one feature is enabled.
fn holds(cfg: &str, feature: &str) -> bool {
    let arguments = |name| cfg.strip_prefix(name)?.strip_suffix(')');
    match (arguments("all("), arguments("any("), arguments("not(")) {
        (Some(all), ..) => all.split(", ").all(|it| holds(it, feature)),
        (_, Some(any), _) => any.split(", ").any(|it| holds(it, feature)),
        (.., Some(not)) => !holds(not, feature),
        _ => cfg.strip_prefix("feature = ").is_none_or(|it| it.trim_matches('"') == feature),
    }
}

fn read_folder(folder: &Path, module: &str, modules: &mut BTreeMap<String, Vec<Item>>) {
    for path in fs::read_dir(folder).into_iter().flatten().map(|it| it.unwrap().path()) {
        let name = match path.file_stem().and_then(|it| it.to_str()) {
            Some("tests") | None => continue,
            Some("lib") => String::new(),
            Some(stem) => join(module, stem),
        };
        if path.is_dir() {
            read_folder(&path, &name, modules);
        } else if path.extension().is_some_and(|it| it == "rs") {
            let source = fs::read_to_string(&path).unwrap();
            let code = source.lines().filter(|it| !it.trim_start().starts_with("//"));
            let file = syn::parse_file(&code.collect::<Vec<_>>().join("\n")).unwrap();
            modules.insert(name, file.items);
        }
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

/// Returns the visibility, the attributes and the name of an item that may be part of an API.
fn parts(item: &Item) -> Option<(Option<&Visibility>, &[Attribute], Option<&Ident>)> {
    match item {
        Item::Const(it) => Some((Some(&it.vis), &it.attrs, Some(&it.ident))),
        Item::Enum(it) => Some((Some(&it.vis), &it.attrs, Some(&it.ident))),
        Item::Fn(it) => Some((Some(&it.vis), &it.attrs, Some(&it.sig.ident))),
        Item::Impl(it) => match &*it.self_ty {
            Type::Path(ty) => Some((None, &it.attrs, ty.path.segments.first().map(|it| &it.ident))),
            _ => None,
        },
        Item::Mod(it) => Some((Some(&it.vis), &it.attrs, Some(&it.ident))),
        Item::Struct(it) => Some((Some(&it.vis), &it.attrs, Some(&it.ident))),
        Item::Trait(it) => Some((Some(&it.vis), &it.attrs, Some(&it.ident))),
        Item::Type(it) => Some((Some(&it.vis), &it.attrs, Some(&it.ident))),
        Item::Use(it) => Some((Some(&it.vis), &it.attrs, None)),
        _ => None,
    }
}

/// Returns each imported path with its local name.
fn paths(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(it) => {
            let below = paths(&it.tree).into_iter();
            below.map(|(path, name)| ([vec![it.ident.to_string()], path].concat(), name)).collect()
        }
        UseTree::Name(it) => vec![(vec![it.ident.to_string()], it.ident.to_string())],
        UseTree::Rename(it) => vec![(vec![it.ident.to_string()], it.rename.to_string())],
        UseTree::Group(it) => it.items.iter().flat_map(paths).collect(),
        UseTree::Glob(_) => Vec::new(),
    }
}

/// Returns the tokens with ordinary spacing.
fn text(tokens: impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string().replace('\n', " ");
    for opening in ["::", "<", "(", "[", "&", "!", "#"] {
        text = text.replace(&format!("{opening} "), opening);
    }
    for closing in ["::", "<", ">", "(", ")", "[", "]", ",", ":", ";"] {
        text = text.replace(&format!(" {closing}"), closing);
    }
    text.replace("->(", "-> (").replace(",)", ")").replace(",>", ">")
}
