"""Records singular spectrum analyses by numpy's dense decompositions: test/recorded/ssa.json.

    python test/recorded/record_ssa.py

One real and one complex record of 120 samples, window 40: a line or two, a trend, red noise. Nothing here
knows of Fourier transforms or of Lanczos: matrices are built entry by entry and averaged diagonal by
diagonal. `biome check --write` then lays the file out.
"""

import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
COUNT, WINDOW, TRIPLES, SEED = 120, 40, 8, 20210701


def records():
    draw = np.random.default_rng(SEED)
    t = np.arange(COUNT)
    red = np.zeros(COUNT)
    for n in range(1, COUNT):
        red[n] = 0.7 * red[n - 1] + 0.2 * draw.standard_normal()
    real = np.exp(-t / 90) * np.cos(2 * np.pi * t / 11 + 0.6) + 0.6 * np.cos(2 * np.pi * t / 23) + t / 60 + red
    white = draw.standard_normal(COUNT) + 1j * draw.standard_normal(COUNT)
    turning = np.exp((2j * np.pi / 13 - 0.004) * t) + 0.7 * np.exp(-2j * np.pi * t / 20 + 1j) + 0.1 * white
    return {"real": real, "complex": turning}


def plain(values):
    values = np.asarray(values)
    if np.iscomplexobj(values):
        return {"re": values.real.tolist(), "im": values.imag.tolist()}
    return values.tolist()


def averaged(matrix):
    """The mean over each antidiagonal."""
    rows, columns = matrix.shape
    out = np.zeros(rows + columns - 1, matrix.dtype)
    for n in range(len(out)):
        out[n] = np.mean([matrix[i, n - i] for i in range(max(0, n - columns + 1), min(rows, n + 1))])
    return out


def analysed(x, variant):
    columns = COUNT - WINDOW + 1
    trajectory = np.array([[x[i + j] for j in range(columns)] for i in range(WINDOW)])
    if variant == "basic":
        vectors, sigma, _ = np.linalg.svd(trajectory, full_matrices=False)
        eigenvalues = sigma**2 / columns
    else:
        lag = lambda d: np.sum(x[d:] * np.conj(x[: COUNT - d])) / (COUNT - d)
        covariance = np.array(
            [[lag(i - j) if i >= j else np.conj(lag(j - i)) for j in range(WINDOW)] for i in range(WINDOW)]
        )
        eigenvalues, vectors = np.linalg.eigh(covariance)
        order = np.argsort(eigenvalues)[::-1]
        eigenvalues, vectors = eigenvalues[order], vectors[:, order]
        sigma = np.linalg.norm(vectors.conj().T @ trajectory, axis=1)
    u = vectors[:, :TRIPLES]
    components = [averaged(np.outer(u[:, k], u[:, k].conj() @ trajectory)) for k in range(TRIPLES)]
    weight = np.array([min(n + 1, WINDOW, columns, COUNT - n) for n in range(COUNT)])
    inner = lambda a, b: np.sum(weight * a.conj() * b)
    norms = [np.sqrt(inner(a, a).real) for a in components]
    correlation = [
        [inner(a, b) / (norms[i] * norms[j]) for j, b in enumerate(components)] for i, a in enumerate(components)
    ]
    if np.iscomplexobj(x):
        correlation = np.abs(correlation)
    # The recurrence is the smallest row that foretells the last entries of all vectors from the others.
    group = u[:, :4]
    coefficients = group[-1] @ np.linalg.pinv(group[:-1])
    series = list(np.sum(components[:4], axis=0))
    for _ in range(10):
        series.append(np.dot(coefficients, series[-(WINDOW - 1) :]))
    poles = np.linalg.eigvals(np.linalg.lstsq(group[:-1], group[1:], rcond=None)[0])
    return {
        "singularValues": plain(sigma[:TRIPLES]),
        "eigenvalues": plain(eigenvalues[:TRIPLES]),
        "shares": plain(sigma[:TRIPLES] ** 2 / np.sum(np.abs(trajectory) ** 2)),
        "first two": plain(components[0] + components[1]),
        "correlations": plain(correlation),
        "forecast": plain(series[COUNT:]),
        "poles": plain(poles),
    }


def main():
    record = {"numpy": np.__version__, "seed": SEED, "window": WINDOW, "triples": TRIPLES, "records": {}}
    for name, x in records().items():
        record["records"][name] = {
            "values": plain(x),
            **{variant: analysed(x, variant) for variant in ("basic", "toeplitz")},
        }
    (HERE / "ssa.json").write_text(json.dumps(record))


if __name__ == "__main__":
    main()
