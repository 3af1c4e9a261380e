//! The line of a key, so that an error about a value can name it.

/// The line of `key` (`http.listen`, `workers[1].id`) in a TOML text, from 1. Where the key itself is not written, that
/// of its table; where that is not either, 0.
pub fn line_of(text: &str, key: &str) -> usize {
    let (table, name) = match key.rsplit_once('.') {
        Some(split) => split,
        None if key.ends_with(']') => (key, ""),
        None => ("", key),
    };
    let (table, nth) = match table.split_once('[') {
        Some((table, index)) => (table, index.trim_end_matches(']').parse().unwrap_or(0)),
        None => (table, 0),
    };
    let mut inside = table.is_empty();
    let mut seen = 0usize;
    let mut header = 0;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('[') {
            let title = line.split(']').next().unwrap_or_default();
            let is_it = title.trim_start_matches('[').trim() == table;
            inside = is_it && seen == nth;
            if inside {
                header = number;
            }
            seen += usize::from(is_it);
        } else if inside && line.split('=').next().is_some_and(|k| k.trim() == name) {
            return number;
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::line_of;

    #[test]
    fn keys_are_found_in_their_table_and_arrays_are_counted() {
        let text = "policy = \"p\"\n[http]\nlisten = 1\n[[workers]]\nid = 1\n[[workers]]\nmodel = 2\nid = 3\n";
        assert_eq!(line_of(text, "policy"), 1);
        assert_eq!(line_of(text, "http.listen"), 3);
        assert_eq!(line_of(text, "workers[0].id"), 5);
        assert_eq!(line_of(text, "workers[1].id"), 8);
        assert_eq!(line_of(text, "workers[1].key_file"), 6);
        assert_eq!(line_of(text, "workers[1]"), 6);
        assert_eq!(line_of(text, "mqtt.url"), 0);
    }
}
