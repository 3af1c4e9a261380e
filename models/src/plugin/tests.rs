use super::*;

#[test]
fn this_builds_plugin_is_loaded_once_and_says_what_it_uses() {
    let plugin = load_cpu(&Search::default()).unwrap();
    assert!(plugin.path.is_file(), "{plugin:?}");
    assert!(plugin.features.contains(" = 1"), "{plugin:?}");
    let nowhere = Search { folders: vec![] };
    assert_eq!(load_cpu(&nowhere).unwrap(), plugin);
}

#[test]
fn no_plugin_is_an_error_that_names_the_folders() {
    let empty = tempfile::tempdir().unwrap();
    let search = Search {
        folders: vec![empty.path().to_owned()],
    };
    let error = try_cpu(&search).unwrap_err();
    assert!(matches!(error, PluginError::NoCpu { .. }));
    let said = error.to_string();
    assert!(said.contains(&empty.path().display().to_string()), "{said}");
}

#[test]
fn a_file_that_is_no_plugin_is_an_error_and_no_crash() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("libggml-cpu.so"), "no library").unwrap();
    let search = Search {
        folders: vec![folder.path().to_owned()],
    };
    let error = try_cpu(&search).unwrap_err();
    assert!(matches!(error, PluginError::NoLevel { .. }), "{error}");
    std::fs::write(folder.path().join("libggml-vulkan.so"), "nor this").unwrap();
    assert_eq!(load_accelerators(&search), []);
}
