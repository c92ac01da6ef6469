//! `stele demo` as a person or a program starts it: the real binary, its child, its sockets and its files.

#[cfg(test)]
mod runs;
