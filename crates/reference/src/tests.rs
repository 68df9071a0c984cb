//! Tests of the interpreter by requirement and choice, over a document of its own, and over the corpus.

mod choices;
mod corpus;
mod kit;
mod writes;
