//! The main job as tests give it: a shift log, what in it is sensitive, and a policy for it.

/// A shift log with names, an e-mail address and a telephone number, and what is asked about it.
pub const LOG: &str = "Shift log, line 3, night. Operators: Ana Ruiz, Jürgen Müller. 02:14 press 7 stopped with E42, \
    hydraulic pressure low. JURGEN MULLER reset it twice. Call Ana at +49 171 1234567 or write to \
    ana.ruiz@plant.example before restarting. Diagnose the fault and write a small Python script that parses such a log.";

/// What must not leave.
pub const SECRETS: [&str; 8] = [
    "Ana",
    "Ruiz",
    "Jürgen",
    "Müller",
    "JURGEN",
    "MULLER",
    "1234567",
    "plant.example",
];

/// The remote worker is strong and may read what is internal; what is confidential is redacted for it.
pub const POLICY: &str = r#"
[escalation]
public = "free"
internal = "redact"
confidential = "redact"
restricted = "never"
[workers.local]
clearance = "restricted"
strength = 20
[workers.cloud]
clearance = "internal"
strength = 80
skills = ["code", "reasoning"]
price_in = 2.5
price_out = 10.0
[[dictionaries]]
type = "person"
words = ["Ana Ruiz", "Ana", "Jürgen Müller"]
"#;
