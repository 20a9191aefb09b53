"""pylinac's analysis of phantom scans, as a program of its own that alone has pylinac's folder on its path.

    python pylinac_child.py FOLDER CLASS SERIES...

prints one JSON object: "results", what pylinac's class says of each DICOM folder, or "error", its words and the number
of the folder. Only the standard library and what lies in the folder is imported, none of this program.
"""

import contextlib
import json
import sys
import warnings


def main(folder, phantom, *series):
    """Analyse the series one after another; see the module."""
    # First, so that its packages are found in the versions that fit each other; it has none that the program brings.
    sys.path[0] = folder
    warnings.simplefilter("ignore")
    with contextlib.redirect_stdout(sys.stderr):  # pylinac prints remarks
        import matplotlib

        matplotlib.use("Agg")
        import pylinac

        results = []
        for number, path in enumerate(series):
            try:
                scan = getattr(pylinac, phantom)(path)
                scan.analyze()
                results.append(scan.results_data(as_dict=True))
            except Exception as error:  # pylinac raises whatever numpy or scikit-image does
                return {"error": f"{type(error).__name__}: {error}", "series": number}
    return {"results": results, "version": pylinac.__version__}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:]), default=str))
