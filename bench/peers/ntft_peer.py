"""The continuous wavelet transform of ssqueezepy, and the same transform by scipy's FFT, as peers of `bench ntft`.

Reads JSON lines from standard input, answers each with one on standard output:
{"do": "hello", "threads"} -> {"versions", "methods"}, of the packages that are installed;
{"do": "open", "file", "periods", "sigma"} -> {"samples"}: float64 samples, little endian, periods in samples;
{"do": "time", "method"} -> {"seconds"}; {"do": "amplitudes", "method", "every"} -> {"file"}, which then holds
|Ψ| of each every-th sample as float64, period by period; {"do": "quit"}.

`ssqueezepy` computes its wavelets anew in each call, as we do; `ssqueezepy-kept` keeps them from the call before.
Both in double precision, `ssqueezepy-float32` in its own default. `scipy` multiplies all bins of 65,536 (or as many
as twice the record needs) by the wavelet's spectrum. Everyone pads with zeros.
"""

import json
import os
import sys
import time

import numpy as np

# Rows that scipy transforms together: as many as stay in the cache.
ROWS = 8


class Scipy:
    def __init__(self, threads):
        import scipy.fft

        self.version = scipy.__version__
        self.fft, self.threads = scipy.fft, threads

    def transform(self, x, periods, sigma):
        length = 1 << int(np.ceil(np.log2(2 * len(x))))
        spectrum = self.fft.fft(x, length)
        frequency = 2 * np.pi * self.fft.fftfreq(length)
        out = np.empty((len(periods), len(x)), np.complex128)
        for start in range(0, len(periods), ROWS):
            ratio = np.outer(periods[start : start + ROWS] / (2 * np.pi), frequency) - 1
            rows = spectrum * np.exp(-0.5 * (sigma * ratio) ** 2)
            rows = self.fft.ifft(rows, axis=-1, workers=self.threads, overwrite_x=True)
            out[start : start + ROWS] = rows[:, : len(x)]
        return out


class Ssqueezepy:
    # The spectrum's peak of its Morlet wavelet.
    PEAK = np.sqrt(2) * np.pi**0.25

    def __init__(self, threads):
        # Read when the package first runs.
        os.environ["SSQ_PARALLEL"] = "0" if threads == 1 else "1"
        os.environ["NUMBA_NUM_THREADS"] = str(threads)
        import ssqueezepy
        from ssqueezepy.utils.fft_utils import FFT_GLOBAL

        FFT_GLOBAL._user_threads = threads
        self.version = ssqueezepy.__version__
        self.package, self.kept = ssqueezepy, None

    def transform(self, x, periods, sigma, dtype="float64", keep=False):
        scales = sigma * periods / (2 * np.pi)
        if not keep:
            self.kept = None
        wavelet = self.kept or self.package.Wavelet(("morlet", {"mu": sigma, "dtype": dtype}))
        self.kept = wavelet if keep else None
        out, _ = self.package.cwt(
            x.astype(dtype), wavelet, scales=scales.astype(dtype), padtype="zero", cache_wavelet=keep, nan_checks=False
        )
        return out


def methods_of(threads):
    """By name: how to transform, what to divide amplitudes by; and the versions of what is there."""
    methods, versions = {}, {"numpy": np.__version__}
    try:
        peer = Ssqueezepy(threads)
        versions["ssqueezepy"] = peer.version
        methods["ssqueezepy"] = (peer.transform, peer.PEAK)
        methods["ssqueezepy-kept"] = (lambda *args: peer.transform(*args, keep=True), peer.PEAK)
        methods["ssqueezepy-float32"] = (lambda *args: peer.transform(*args, dtype="float32"), peer.PEAK)
    except ImportError:
        pass
    try:
        scipy = Scipy(threads)
        versions["scipy"] = scipy.version
        methods["scipy"] = (scipy.transform, 1)
    except ImportError:
        pass
    return methods, versions


def main():
    replies = sys.stdout
    # Some packages print when they first compile.
    sys.stdout = sys.stderr
    methods, record, folder = {}, None, "."
    for line in sys.stdin:
        request = json.loads(line)
        try:
            match request["do"]:
                case "hello":
                    methods, versions = methods_of(request["threads"])
                    reply = {"versions": versions, "methods": list(methods)}
                case "open":
                    folder = os.path.dirname(request["file"])
                    x = np.fromfile(request["file"], "<f8")
                    record = (x, np.array(request["periods"]), request["sigma"])
                    reply = {"samples": len(x)}
                case "time":
                    transform, _ = methods[request["method"]]
                    started = time.perf_counter()
                    transform(*record)
                    reply = {"seconds": time.perf_counter() - started}
                case "amplitudes":
                    transform, peak = methods[request["method"]]
                    found = np.abs(transform(*record)[:, :: request["every"]]) / peak
                    path = os.path.join(folder, request["method"] + ".f8")
                    found.astype("<f8").tofile(path)
                    reply = {"file": path}
                case "quit":
                    return
                case other:
                    reply = {"error": f"unknown request {other!r}"}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


main()
