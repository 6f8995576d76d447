"""The compiler's rules, one concept a module. Each check takes a file's `Context` and reports to it."""
