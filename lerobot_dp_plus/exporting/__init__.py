"""A policy as one ONNX file, for machines without torch: `dp-plus export`.

| file | idea |
|---|---|
| `options.py` | the options of the command, readable without imports |
| `refusing.py` | which policies are a function of observation and noise, and why others are not |
| `step.py` | the whole step as one module: raw observations and noise in, actions in the data's units out |
| `writing.py` | that module as an ONNX file, and a file beside it that says what goes in and out |
| `comparing.py` | the file against the policy: are the actions the same, and how long do both take |
| `export.py` | the command |
"""
