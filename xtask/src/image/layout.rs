//! OCI layouts: images as folders, which need no daemon and no registry.

use std::{
    fs,
    path::{Path, PathBuf},
};

use oci_spec::image::{
    ANNOTATION_REF_NAME, Descriptor, Digest, ImageIndex, ImageIndexBuilder, MediaType, OciLayoutBuilder, SCHEMA_VERSION,
};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// A layout that is being written.
#[derive(Debug)]
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Starts a layout in a folder. What was in the folder is removed.
    ///
    /// # Errors
    /// The folder cannot be removed or created.
    pub(crate) fn create(folder: PathBuf) -> Result<Self, String> {
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        }
        let blobs = folder.join("blobs/sha256");
        fs::create_dir_all(&blobs).map_err(|error| format!("{}: {error}", blobs.display()))?;
        Ok(Self { folder })
    }

    /// Adds a blob, and returns how it is named.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn add(&self, media_type: MediaType, bytes: &[u8]) -> Result<Descriptor, String> {
        let digest = digest(bytes)?;
        write(&self.folder.join("blobs/sha256").join(digest.digest()), bytes)?;
        Ok(Descriptor::new(media_type, bytes.len() as u64, digest))
    }

    /// Adds a document, and returns how it is named.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn add_json(&self, media_type: MediaType, document: &impl Serialize) -> Result<Descriptor, String> {
        self.add(media_type, &json(document)?)
    }

    /// Writes what makes the folder a layout: its version, and an index of the one image in it under this tag.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn finish(self, mut image: Descriptor, tag: &str) -> Result<(), String> {
        let mut annotations = image.annotations().clone().unwrap_or_default();
        annotations.insert(ANNOTATION_REF_NAME.to_owned(), tag.to_owned());
        image.set_annotations(Some(annotations));
        let version = OciLayoutBuilder::default().image_layout_version("1.0.0").build();
        write(&self.folder.join("oci-layout"), &json(&version.map_err(|error| error.to_string())?)?)?;
        write(&self.folder.join("index.json"), &json(&index(vec![image])?)?)
    }
}

/// Returns an index of images.
///
/// # Errors
/// None in practice; the types of the specification have no other way to be made.
pub(crate) fn index(images: Vec<Descriptor>) -> Result<ImageIndex, String> {
    let index = ImageIndexBuilder::default().schema_version(SCHEMA_VERSION).media_type(MediaType::ImageIndex);
    index.manifests(images).build().map_err(|error| error.to_string())
}

/// Returns the digest by which a blob is named.
///
/// # Errors
/// None in practice, as above.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, String> {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes))).parse().map_err(|error| format!("{error}"))
}

/// Writes a document as JSON. Its keys are sorted, since the types of the specification have annotations in hash maps.
fn json(document: &impl Serialize) -> Result<Vec<u8>, String> {
    let mut document = serde_json::to_value(document).map_err(|error| error.to_string())?;
    document.sort_all_objects();
    serde_json::to_vec(&document).map_err(|error| error.to_string())
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), String> {
    fs::write(file, bytes).map_err(|error| format!("{}: {error}", file.display()))
}
