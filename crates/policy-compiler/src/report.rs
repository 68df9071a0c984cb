//! The report on a document, for a terminal and for programs.
