"""A checker for the subset of Bicep that `infra/` is written in.

From text to meaning, one module per step: `lexer` and `parser` make the `syntax` tree, `outline` compares it
with a second parser's; `types`, `published` and `functions` say what exists, `inference` what an expression
is; `checks` are the compiler's rules; `evaluator` computes what a deployment would send to Azure.

What the checker does not understand it refuses, with the file and the line, so that nothing passes unseen.
"""
