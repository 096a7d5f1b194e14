//! Images of the modules, written as OCI layouts.
//!
//! Each module has two images. `acpw-NAME` has one layer with the file `plugin.wasm`. `acpw-NAME-artifact` is the
//! artifact form of the same, with exactly two layers. Istio and Envoy Gateway fetch either. `acpw-modules` has all
//! modules in its root, for image volumes.

mod layer;
mod layout;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use oci_spec::image::{
    ANNOTATION_CREATED, ANNOTATION_DESCRIPTION, ANNOTATION_LICENSES, ANNOTATION_REVISION, ANNOTATION_SOURCE,
    ANNOTATION_TITLE, ANNOTATION_VERSION, Arch, ConfigBuilder, Descriptor, ImageConfigurationBuilder,
    ImageManifestBuilder, MediaType, Os, PlatformBuilder, RootFsBuilder, SCHEMA_VERSION,
};
use serde_json::{Value, json};

use crate::{
    image::{
        layer::{File, Layer},
        layout::Layout,
    },
    module::{MODULES, Module},
    release::Release,
};

/// The platforms of images. A module is the same on all of them, but containerd and Docker run no image of another
/// platform than their own.
const PLATFORMS: [Arch; 2] = [Arch::Amd64, Arch::ARM64];

/// The name that a module has in its image.
const PLUGIN: &str = "plugin.wasm";

/// The media types of the two layers of an artifact: the module, and what it is for.
const CONTENT_LAYER: &str = "application/vnd.module.wasm.content.layer.v1+wasm";
const CONFIG_LAYER: &str = "application/vnd.module.wasm.config.v1+json";

/// An image that was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// Its name, which is its folder's.
    pub(crate) name: String,
    /// The digest by which it can be pulled.
    pub(crate) digest: String,
}

/// Writes a layout for each image into a folder, `FOLDER/NAME`.
///
/// `module_file` returns the path of a module. The same modules and release make the same bytes.
///
/// # Errors
/// A module is missing, or a file cannot be written.
pub(crate) fn build(
    module_file: impl Fn(&Module) -> PathBuf,
    folder: &Path,
    release: &Release,
) -> Result<Vec<Written>, String> {
    let mut written = Vec::new();
    let mut files = Vec::new();
    for module in &MODULES {
        let file = module_file(module);
        let bytes = fs::read(&file).map_err(|error| format!("{}: {error}; run `make build-all`", file.display()))?;
        let name = format!("acpw-{}", module.name);
        let labels = labels(release, &name, &format!("{}.wasm, a Proxy-Wasm module that {}", module.name, module.task));
        let plugin = [File { name: PLUGIN, bytes: &bytes }];
        written.push(write_image(folder, &name, &plugin, &labels, release)?);
        written.push(write_artifact(folder, &format!("{name}-artifact"), module, &bytes, &labels, release)?);
        files.push((format!("{}.wasm", module.name), bytes));
    }
    let files: Vec<_> = files.iter().map(|(name, bytes)| File { name, bytes }).collect();
    let labels = labels(release, "acpw-modules", "The modules of ACPW in the root of an image, for image volumes");
    written.push(write_image(folder, "acpw-modules", &files, &labels, release)?);
    Ok(written)
}

type Labels = HashMap<String, String>;

fn labels(release: &Release, title: &str, description: &str) -> Labels {
    let known = [
        (ANNOTATION_TITLE, Some(title)),
        (ANNOTATION_DESCRIPTION, Some(description)),
        (ANNOTATION_VERSION, Some(release.version)),
        (ANNOTATION_REVISION, Some(release.commit.as_str())),
        (ANNOTATION_CREATED, release.created.as_deref()),
        (ANNOTATION_SOURCE, release.source.as_deref()),
        (ANNOTATION_LICENSES, Some(env!("CARGO_PKG_LICENSE"))),
    ];
    known.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect()
}

/// Writes an image of one layer, for each platform.
fn write_image(
    folder: &Path,
    name: &str,
    files: &[File<'_>],
    labels: &Labels,
    release: &Release,
) -> Result<Written, String> {
    let layout = Layout::create(folder.join(name))?;
    let content = Layer::new(files).map_err(|error| format!("{name}: {error}"))?;
    let diff_id = layout::digest(&content.archive)?.to_string();
    let layer = layout.add(MediaType::ImageLayerGzip, &content.compressed)?;
    let mut manifests = Vec::new();
    for architecture in PLATFORMS {
        let config = ConfigBuilder::default().labels(labels.clone()).build().map_err(text)?;
        let root = RootFsBuilder::default().typ("layers").diff_ids(vec![diff_id.clone()]).build().map_err(text)?;
        let mut image = ImageConfigurationBuilder::default()
            .architecture(architecture.clone())
            .os(Os::Linux)
            .config(config)
            .rootfs(root);
        if let Some(created) = &release.created {
            image = image.created(created);
        }
        let config = layout.add_json(MediaType::ImageConfig, &image.build().map_err(text)?)?;
        let platform = PlatformBuilder::default().architecture(architecture).os(Os::Linux).build().map_err(text)?;
        let mut manifest = write_manifest(&layout, None, config, vec![layer.clone()], labels)?;
        manifest.set_platform(Some(platform));
        manifests.push(manifest);
    }
    let mut index = layout::index(manifests)?;
    index.set_annotations(Some(labels.clone()));
    let image = layout.add_json(MediaType::ImageIndex, &index)?;
    finish(layout, name, image, release)
}

/// Writes the artifact form of a module. It has no platform.
fn write_artifact(
    folder: &Path,
    name: &str,
    module: &Module,
    bytes: &[u8],
    labels: &Labels,
    release: &Release,
) -> Result<Written, String> {
    let layout = Layout::create(folder.join(name))?;
    let about = json!({ "type": "envoy_proxy", "abiVersions": ["v0.2.1"], "config": { "rootIds": [module.name] } });
    let layers = vec![
        layout.add_json(MediaType::from(CONFIG_LAYER), &about)?,
        layout.add(MediaType::from(CONTENT_LAYER), bytes)?,
    ];
    let config = layout.add_json(MediaType::EmptyJSON, &Value::Object(serde_json::Map::new()))?;
    let image = write_manifest(&layout, Some(MediaType::from(CONFIG_LAYER)), config, layers, labels)?;
    finish(layout, name, image, release)
}

fn write_manifest(
    layout: &Layout,
    artifact_type: Option<MediaType>,
    config: Descriptor,
    layers: Vec<Descriptor>,
    labels: &Labels,
) -> Result<Descriptor, String> {
    let mut manifest = ImageManifestBuilder::default()
        .schema_version(SCHEMA_VERSION)
        .media_type(MediaType::ImageManifest)
        .config(config)
        .layers(layers)
        .annotations(labels.clone());
    if let Some(artifact_type) = artifact_type {
        manifest = manifest.artifact_type(artifact_type);
    }
    layout.add_json(MediaType::ImageManifest, &manifest.build().map_err(text)?)
}

fn finish(layout: Layout, name: &str, image: Descriptor, release: &Release) -> Result<Written, String> {
    let digest = image.digest().to_string();
    layout.finish(image, release.version)?;
    Ok(Written { name: name.to_owned(), digest })
}

fn text(error: impl ToString) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, io::Read};

    use flate2::read::GzDecoder;
    use oci_spec::image::{Digest, ImageConfiguration, ImageIndex, ImageManifest, OciLayout};
    use tar::Archive;
    use tempfile::TempDir;

    use super::*;

    fn release() -> Release {
        Release {
            version: "1.2.3",
            commit: "0123456789ab".to_owned(),
            created: Some("2026-08-01T00:00:00Z".to_owned()),
            source: Some("https://example.com/acpw".to_owned()),
        }
    }

    /// Returns the content of a file that stands for a module.
    fn content(module: &Module) -> Vec<u8> {
        format!("\0asm of {}", module.name).repeat(1_000).into_bytes()
    }

    /// Builds images from modules in a folder, into another folder next to it.
    fn built(root: &TempDir, release: &Release) -> Vec<Written> {
        let file = |module: &Module| root.path().join(module.name);
        for module in &MODULES {
            fs::write(file(module), content(module)).unwrap();
        }
        build(file, &root.path().join("images"), release).unwrap()
    }

    /// Returns every file under a folder.
    fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.insert(path.strip_prefix(folder).unwrap().to_owned(), fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    /// A layout that is read as a registry's client would, with every digest and size checked.
    struct Reader(PathBuf);

    impl Reader {
        fn image(&self) -> Descriptor {
            let version = OciLayout::from_file(self.0.join("oci-layout")).unwrap();
            assert_eq!(version.image_layout_version(), "1.0.0");
            let index = ImageIndex::from_file(self.0.join("index.json")).unwrap();
            let [image] = index.manifests().as_slice() else { panic!("{index:?}") };
            assert_eq!(image.annotations().as_ref().unwrap()["org.opencontainers.image.ref.name"], "1.2.3");
            image.clone()
        }

        fn blob(&self, descriptor: &Descriptor) -> Vec<u8> {
            let bytes = fs::read(self.0.join("blobs/sha256").join(descriptor.digest().digest())).unwrap();
            assert_eq!((layout::digest(&bytes).unwrap(), bytes.len() as u64), named(descriptor));
            bytes
        }
    }

    fn named(descriptor: &Descriptor) -> (Digest, u64) {
        (descriptor.digest().clone(), descriptor.size())
    }

    fn unpacked(layer: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = Archive::new(GzDecoder::new(layer));
        let entries = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().to_string_lossy().into_owned(), bytes)
        });
        entries.collect()
    }

    /// Returns the files in the one layer of an image, after looking at what surrounds it for each platform.
    fn image_files(reader: &Reader) -> BTreeMap<String, Vec<u8>> {
        let index = ImageIndex::from_reader(reader.blob(&reader.image()).as_slice()).unwrap();
        let architectures: Vec<_> = index
            .manifests()
            .iter()
            .map(|descriptor| descriptor.platform().as_ref().unwrap().architecture().to_string())
            .collect();
        assert_eq!(architectures, ["amd64", "arm64"]);
        let mut layers = Vec::new();
        for descriptor in index.manifests() {
            let manifest = ImageManifest::from_reader(reader.blob(descriptor).as_slice()).unwrap();
            let config = ImageConfiguration::from_reader(reader.blob(manifest.config()).as_slice()).unwrap();
            assert_eq!(config.architecture(), descriptor.platform().as_ref().unwrap().architecture());
            let labels = config.config().as_ref().unwrap().labels().as_ref().unwrap();
            assert_eq!(Some(labels), manifest.annotations().as_ref());
            assert_eq!(Some(labels), index.annotations().as_ref());
            for (key, value) in [
                ("version", "1.2.3"),
                ("revision", "0123456789ab"),
                ("created", "2026-08-01T00:00:00Z"),
                ("source", "https://example.com/acpw"),
                ("licenses", "Apache-2.0"),
            ] {
                assert_eq!(labels[&format!("org.opencontainers.image.{key}")], value);
            }
            let [layer] = manifest.layers().as_slice() else { panic!("{manifest:?}") };
            assert_eq!(layer.media_type(), &MediaType::ImageLayerGzip);
            let blob = reader.blob(layer);
            let mut archive = Vec::new();
            GzDecoder::new(blob.as_slice()).read_to_end(&mut archive).unwrap();
            assert_eq!(config.rootfs().diff_ids(), &[layout::digest(&archive).unwrap().to_string()]);
            layers.push(unpacked(&blob));
        }
        assert_eq!(layers[0], layers[1]);
        layers.remove(0)
    }

    #[test]
    fn two_builds_in_two_folders_have_the_same_bytes_and_digests() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let written = built(&one, &release());
        assert_eq!(written.len(), 2 * MODULES.len() + 1);
        assert_eq!(built(&other, &release()), written);
        let images = |root: &TempDir| files(&root.path().join("images"));
        let first = images(&one);
        assert_eq!(images(&other), first);
        // A layout that is there already is replaced, and leaves nothing behind.
        let newer = Release { version: "1.2.4", ..release() };
        assert_ne!(built(&other, &newer), written);
        assert_eq!(images(&other).len(), first.len());
    }

    #[test]
    fn the_image_of_a_module_has_it_as_plugin() {
        let root = tempfile::tempdir().unwrap();
        built(&root, &release());
        for module in &MODULES {
            let reader = Reader(root.path().join(format!("images/acpw-{}", module.name)));
            assert_eq!(image_files(&reader), [("plugin.wasm".to_owned(), content(module))].into());
        }
    }

    #[test]
    fn the_artifact_of_a_module_has_exactly_two_layers() {
        let root = tempfile::tempdir().unwrap();
        built(&root, &release());
        for module in &MODULES {
            let reader = Reader(root.path().join(format!("images/acpw-{}-artifact", module.name)));
            let manifest = ImageManifest::from_reader(reader.blob(&reader.image()).as_slice()).unwrap();
            let [config, wasm] = manifest.layers().as_slice() else { panic!("{manifest:?}") };
            assert_eq!(config.media_type().to_string(), "application/vnd.module.wasm.config.v1+json");
            assert_eq!(wasm.media_type().to_string(), "application/vnd.module.wasm.content.layer.v1+wasm");
            let about: Value = serde_json::from_slice(&reader.blob(config)).unwrap();
            assert_eq!(about["config"]["rootIds"], json!([module.name]));
            assert_eq!(reader.blob(wasm), content(module));
            assert_eq!(reader.blob(manifest.config()), b"{}");
        }
    }

    #[test]
    fn the_image_of_all_modules_has_them_in_its_root() {
        let root = tempfile::tempdir().unwrap();
        built(&root, &release());
        let expected = MODULES.iter().map(|module| (format!("{}.wasm", module.name), content(module))).collect();
        assert_eq!(image_files(&Reader(root.path().join("images/acpw-modules"))), expected);
    }

    #[test]
    fn a_missing_module_is_reported_with_what_to_do() {
        let root = tempfile::tempdir().unwrap();
        let error = build(|_| root.path().join("none.wasm"), root.path(), &release()).unwrap_err();
        assert!(error.contains("none.wasm") && error.ends_with("run `make build-all`"), "{error}");
    }
}
