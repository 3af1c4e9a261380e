//! The texts of the measurements. A number at the start makes a text one that no cache knows.

use std::fmt::Write as _;

/// A report of `sentences` sentences, of about 27 tokens each.
pub fn report(number: u32, sentences: u32) -> String {
    let mut text = format!("Report {number} of the night shift.");
    for line in 1..=sentences {
        let (oil, hours) = (40 + line * 7 % 31, 300 + line * 37 % 211);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            " Press {line} has run for {hours} hours, its oil is at {oil} degrees, and the filter is due soon."
        );
    }
    text
}

/// What a planner is told, about 1,000 tokens.
pub fn planner(number: u32) -> String {
    format!(
        "Plan {number}. You decide who does a task. Answer with the name of one worker and one role. {}",
        report(number, 33)
    )
}

/// What the planner is asked.
pub const TASKS: [&str; 2] = [
    "The task: say why press 7 stopped last night.",
    "The task: write a short note to the next shift.",
];

/// A question with a long answer.
pub const STORY: &str = "Write a long story about a lighthouse keeper, a storm and a lost boat. Tell what happens hour by hour.";

/// A question about one of many things, of about 100 tokens.
pub fn chat(number: u32, which: u32) -> String {
    const THINGS: [&str; 8] = [
        "a water pump",
        "a steam boiler",
        "a bread oven",
        "a wind turbine",
        "a sewing machine",
        "a grain mill",
        "a railway crane",
        "a cold store",
    ];
    let thing = usize::try_from(which).map_or(0, |which| which % THINGS.len());
    let thing = THINGS[thing];
    format!(
        "Conversation {number}-{which}. I look after {thing} in a small plant. It is eleven years old, it runs in two \
         shifts, and it was last serviced in spring. Since Monday it makes a noise when it starts, and the people who \
         work beside it are worried. I have one hour before the next shift, a box of hand tools and a colleague who \
         can help. Explain step by step what I should look at on {thing}, in which order, and why."
    )
}

/// A question whose answer is a list.
pub const PARTS: &str = "List eight parts of a water pump as JSON. For each give its name, what it does, and how many hours it lasts.";

/// A task whose answer repeats its text.
pub fn rewrite(number: u32) -> String {
    format!(
        "Repeat the following text word for word, but write \"line\" wherever it says \"shift\".\n\n{}",
        report(number, 6)
    )
}
