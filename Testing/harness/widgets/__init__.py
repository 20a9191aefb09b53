"""Stand-ins for widgets of Qt, CTK and MRML, under PythonQt's rules."""
