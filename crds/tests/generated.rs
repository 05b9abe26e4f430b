//! What is committed is what the types say.

use std::fs;
use std::path::Path;

/// `kubectl apply` keeps a definition in an annotation, and all annotations may have 256 KiB.
const MAX_BYTES: usize = 200_000;

#[test]
fn committed_definitions_are_the_generated_ones() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml");
    let definitions = slipway_crds::definitions().unwrap();
    for (file, yaml) in &definitions {
        let committed = fs::read_to_string(folder.join(file)).unwrap_or_default();
        assert!(
            committed == *yaml,
            "crds/yaml/{file} is not what the types say; run cargo run -p slipway-crds --bin slipway-crds-codegen -- crds/yaml"
        );
        assert!(yaml.len() < MAX_BYTES, "{file} has {} bytes", yaml.len());
    }
    let files = fs::read_dir(&folder).unwrap().count();
    assert_eq!(files, definitions.len(), "crds/yaml holds a file that nobody generates");
}
