//! Which of some classes a text is of.

use fastrand::Rng;

use super::one;
use crate::exercise::{Check, check::Texts};

struct Class {
    name: &'static str,
    texts: &'static [&'static str],
}

const FAULTS: [Class; 4] = [
    Class {
        name: "electrical",
        texts: &[
            "The fuse of the cabinet blows each time the motor starts.",
            "There is a burnt smell and the cable to the drive is scorched.",
            "The breaker trips when the heater is switched on.",
            "One phase has no voltage at the terminal.",
        ],
    },
    Class {
        name: "hydraulic",
        texts: &[
            "Oil drips from the cylinder and the press closes slowly.",
            "The oil pump whines and the ram does not reach its pressure.",
            "A hose burst and the oil tank is nearly empty.",
            "The oil is milky and the valve block sticks.",
        ],
    },
    Class {
        name: "software",
        texts: &[
            "Since the update the screen shows the wrong recipe.",
            "The program hangs at the login page until it is restarted.",
            "The report is saved with yesterday's date after the new version was installed.",
            "The controller restarts by itself with an unhandled exception.",
        ],
    },
    Class {
        name: "mechanical",
        texts: &[
            "The gearbox grinds and there are metal chips below it.",
            "The belt slips off its pulley every few minutes.",
            "The shaft is bent and the coupling shakes.",
            "A bolt of the guide has sheared off and the carriage jams.",
        ],
    },
];

const MOODS: [Class; 3] = [
    Class {
        name: "positive",
        texts: &[
            "The new gripper works wonderfully, we are delighted.",
            "Great service, the spare part came within a day.",
            "Everybody on the line loves the quiet fans.",
        ],
    },
    Class {
        name: "negative",
        texts: &[
            "Third breakdown this week, we are fed up with it.",
            "The delivery was late again and half of it was broken.",
            "Terrible manual, nobody could follow it.",
        ],
    },
    Class {
        name: "neutral",
        texts: &[
            "The meeting is in room 4 at ten.",
            "The pallet weighs 410 kilograms.",
            "The order has twelve lines.",
        ],
    },
];

const LANGUAGES: [Class; 4] = [
    Class {
        name: "German",
        texts: &[
            "Die Pumpe wird morgen früh gewartet.",
            "Bitte schließen Sie die Tür zum Lager.",
            "Der Filter ist seit gestern verstopft.",
        ],
    },
    Class {
        name: "French",
        texts: &[
            "La pompe sera réparée demain matin.",
            "Veuillez fermer la porte du dépôt.",
            "Le filtre est bouché depuis hier.",
        ],
    },
    Class {
        name: "Spanish",
        texts: &[
            "La bomba se revisará mañana por la mañana.",
            "Cierre la puerta del almacén, por favor.",
            "El filtro está sucio desde ayer.",
        ],
    },
    Class {
        name: "Italian",
        texts: &[
            "La pompa sarà controllata domani mattina.",
            "Chiudete la porta del magazzino, per favore.",
            "Il filtro è sporco da ieri.",
        ],
    },
];

const TASKS: [(&str, &[Class]); 3] = [
    ("What kind of fault is this", &FAULTS),
    ("What is the mood of this message", &MOODS),
    ("Which language is this", &LANGUAGES),
];

pub(super) fn make(rng: &mut Rng) -> (String, Check) {
    let (question, classes) = TASKS[rng.usize(..TASKS.len())];
    let class = &classes[rng.usize(..classes.len())];
    let text = one(rng, class.texts);
    let mut names: Vec<&str> = classes.iter().map(|class| class.name).collect();
    rng.shuffle(&mut names);
    // A number makes two with the same words two different ones.
    let message = rng.u32(100..1000);
    (
        format!(
            "Message {message}: \"{text}\"\n\n{question}: {}? Answer with one of these words alone.",
            names.join(", ")
        ),
        Check::Exact(Texts::One(class.name.to_owned())),
    )
}
