//! Layers of images: archives of files, the same bytes for the same files.

use std::io::{self, Write};

use flate2::{Compression, GzBuilder};
use tar::{Builder, EntryType, Header};

/// A file in the root of a layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct File<'a> {
    pub(crate) name: &'a str,
    pub(crate) bytes: &'a [u8],
}

/// A layer, before and after compression. Image configurations name it by the digest of the former, manifests by that
/// of the latter.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) archive: Vec<u8>,
    pub(crate) compressed: Vec<u8>,
}

impl Layer {
    /// Archives files that everybody can read, in this order. Nothing of the machine or the time gets into the archive.
    ///
    /// The compression is gzip, since the products that fetch modules from registries read no zstd.
    ///
    /// # Errors
    /// A name is too long for an archive.
    pub(crate) fn new(files: &[File<'_>]) -> io::Result<Self> {
        let mut builder = Builder::new(Vec::new());
        for file in files {
            let mut header = Header::new_ustar();
            header.set_entry_type(EntryType::Regular);
            header.set_mode(0o444);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(file.bytes.len() as u64);
            builder.append_data(&mut header, file.name, file.bytes)?;
        }
        let archive = builder.into_inner()?;
        // The header of gzip then has neither a time nor a name, and 255, unknown, as operating system.
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        encoder.write_all(&archive)?;
        Ok(Self { compressed: encoder.finish()?, archive })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;
    use tar::Archive;

    use super::*;

    #[test]
    fn files_are_read_back_as_anybodys() {
        let files = [File { name: "a.wasm", bytes: b"first" }, File { name: "b.wasm", bytes: &[0; 2_000] }];
        let layer = Layer::new(&files).unwrap();
        let mut archive = Archive::new(GzDecoder::new(layer.compressed.as_slice()));
        let mut names = Vec::new();
        for (entry, file) in archive.entries().unwrap().zip(files) {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, file.bytes);
            let header = entry.header();
            assert_eq!((header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap()), (0o444, 0, 0));
            names.push(entry.path().unwrap().to_string_lossy().into_owned());
        }
        assert_eq!(names, ["a.wasm", "b.wasm"]);
    }
}
