//! Tests of the interpreter by requirement and choice, over a document of its own, and over the corpus.

mod corpus;
mod kit;
