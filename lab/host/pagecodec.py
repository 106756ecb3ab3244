"""Page compression through the C libraries that QEMU and makedumpfile bring along (no Python package needed)."""
import ctypes, zlib


def _lib(name):
    try:
        return ctypes.CDLL(name)
    except OSError as e:
        raise SystemExit(f"pagecodec.py: {e}: the Debian package that has it comes with qemu-system-x86 or makedumpfile")


def _zstd():
    z = _lib("libzstd.so.1")
    z.ZSTD_compressBound.restype = z.ZSTD_compress.restype = z.ZSTD_decompress.restype = ctypes.c_size_t
    z.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    z.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    z.ZSTD_decompress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]

    def pack(page):
        out = ctypes.create_string_buffer(z.ZSTD_compressBound(len(page)))
        n = z.ZSTD_compress(out, len(out), page, len(page), 3)
        return whole(out, n)

    def unpack(data, size):
        out = ctypes.create_string_buffer(size)
        n = z.ZSTD_decompress(out, size, data, len(data))
        return whole(out, n)

    def whole(out, n):
        # an error is a size beyond any buffer
        if n > len(out):
            raise ValueError("zstd: bad data")
        return out.raw[:n]
    return pack, unpack


def _snappy():
    s = _lib("libsnappy.so.1")
    s.snappy_max_compressed_length.restype = ctypes.c_size_t
    s.snappy_max_compressed_length.argtypes = [ctypes.c_size_t]
    p = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t)]
    s.snappy_compress.argtypes = s.snappy_uncompress.argtypes = p

    def run(f, data, room):
        out, n = ctypes.create_string_buffer(room), ctypes.c_size_t(room)
        if f(data, len(data), out, ctypes.byref(n)) != 0:
            raise ValueError("snappy: bad data")
        return out.raw[:n.value]
    return (lambda page: run(s.snappy_compress, page, s.snappy_max_compressed_length(len(page))),
            lambda data, size: run(s.snappy_uncompress, data, size))


def _lzo():
    l = _lib("liblzo2.so.2")
    work = ctypes.create_string_buffer(1 << 17)
    p = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.POINTER(ctypes.c_size_t), ctypes.c_char_p]
    l.lzo1x_1_compress.argtypes = l.lzo1x_decompress_safe.argtypes = p

    def run(f, data, room):
        out, n = ctypes.create_string_buffer(room), ctypes.c_size_t(room)
        if f(data, len(data), out, ctypes.byref(n), work) != 0:
            raise ValueError("lzo: bad data")
        return out.raw[:n.value]
    # the library's bound: a sixteenth more, and 67 bytes
    return (lambda page: run(l.lzo1x_1_compress, page, len(page) + len(page) // 16 + 67),
            lambda data, size: run(l.lzo1x_decompress_safe, data, size))


def codec(name):
    """(pack, unpack) of zlib, lzo, snappy, zstd or none; unpack takes the data and the size that it opens to."""
    return {"zlib": lambda: (lambda p: zlib.compress(p, 6), lambda d, n: zlib.decompress(d)),
            "zstd": _zstd, "snappy": _snappy, "lzo": _lzo,
            "none": lambda: (lambda p: p, lambda d, n: d)}[name]()
