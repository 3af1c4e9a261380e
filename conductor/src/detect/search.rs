//! One search: the text, the same without disguises, and what is encoded in it, each by every detector.
//!
//! A text is read in up to five ways: as it is, without what is not seen and with Latin letters for their look-alikes,
//! with rows of single characters closed up, with the headings of tables before their values, and decoded. What is
//! decoded is read in the same ways, [`DEPTH`] times. A heading and what is decoded are of bounded length for what they
//! come from, so that all that is read is at most a fixed multiple of the text.

use std::ops::Range;

use super::{
    Detectors, Kind, column, dump, encoded, escape, pattern,
    view::{View, bare, closed_up},
};

/// How often something may be encoded over and over.
const DEPTH: u8 = 2;

/// What a search gives and what it took.
#[derive(Default)]
pub(super) struct Search {
    pub(super) found: Vec<(Range<usize>, Kind)>,
    /// Bytes that were read, all ways together.
    pub(super) read: usize,
}

/// A view, and what it is a view of.
struct Layer<'l> {
    view: View<'l>,
    below: Option<&'l Layer<'l>>,
}

impl<'l> Layer<'l> {
    fn above(view: View<'static>, below: &'l Layer<'l>) -> Self {
        Layer {
            view,
            below: Some(below),
        }
    }

    /// The part of the first text that a part of this one comes from.
    fn origin(&self, span: &Range<usize>) -> Range<usize> {
        let here = self.view.origin(span);
        self.below.map_or(here.clone(), |below| below.origin(&here))
    }
}

impl Search {
    pub(super) fn of(text: &str, detectors: &Detectors) -> Self {
        let mut search = Self::default();
        let layer = Layer {
            view: View::plain(text),
            below: None,
        };
        search.look(&layer, detectors, 0);
        search
    }

    /// Reads one layer in all ways.
    fn look(&mut self, layer: &Layer<'_>, detectors: &Detectors, depth: u8) {
        self.read(layer, detectors);
        let bare = bare(&layer.view.text).map(|view| Layer::above(view, layer));
        if let Some(bare) = &bare {
            self.read(bare, detectors);
        }
        let layer = bare.as_ref().unwrap_or(layer);
        let views = [closed_up, column::named].map(|way| way(&layer.view.text));
        for view in views.into_iter().flatten() {
            self.read(&Layer::above(view, layer), detectors);
        }
        if depth == DEPTH {
            return;
        }
        if let Some(view) = escape::unescaped(&layer.view.text) {
            self.look(&Layer::above(view, layer), detectors, depth + 1);
        }
        if let Some(view) = encoded::decoded(&layer.view.text) {
            self.look(&Layer::above(view, layer), detectors, depth + 1);
        }
        if let Some(view) = dump::printed(&layer.view.text) {
            self.look(&Layer::above(view, layer), detectors, depth + 1);
        }
        if let Some(view) = encoded::hex_joined(&layer.view.text) {
            let joined = Layer::above(view, layer);
            if let Some(view) = encoded::decoded(&joined.view.text) {
                self.look(&Layer::above(view, &joined), detectors, depth + 1);
            }
        }
    }

    /// Searches one text.
    fn read(&mut self, layer: &Layer<'_>, detectors: &Detectors) {
        let text = layer.view.text.as_ref();
        self.read += text.len();
        let mut found = Vec::new();
        pattern::find(text, &mut found);
        detectors.patterns.find(text, &mut found);
        detectors.dictionary.find(text, &mut found);
        let found = found
            .into_iter()
            .map(|(span, kind)| (layer.origin(&span), kind));
        self.found
            .extend(found.filter(|(span, _)| !span.is_empty()));
    }
}
