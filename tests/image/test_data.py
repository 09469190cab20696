"""Datasets are read as they are, refused with a reason, and batched from the draws alone."""

import gzip
import struct

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from voicegan.core.random import Draws
from voicegan.errors import VoiceganError
from voicegan.image.augment import warped
from voicegan.image.data import (
    ImageSource,
    Pictures,
    Points,
    PointSource,
    jittered,
    load,
    load_pictures,
    resize,
    source_of,
    to_float,
    to_uint8,
)


def draws(count=16, step=0, first=0):
    return Draws(3, step, 0, range(first, first + count))


def noise(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8))


@pytest.fixture(scope="module")
def digits():
    return load("digits")


# Digits ----------------------------------------------------------------------------------------------------------


def test_digits_are_whole_and_split_for_good(digits):
    assert digits.shape == (1, 8, 8) and len(digits) == 1797
    assert (len(digits.train), len(digits.test)) == (1200, 597)
    assert digits.images.min() == 0 and digits.images.max() == 255
    assert digits.classes == tuple("0123456789")
    # The same split on every machine and in every version: results are compared across them.
    assert digits.test.labels[:8].tolist() == TEST_STARTS_WITH
    assert (digits.train.labels.bincount() > 90).all() and (digits.test.labels.bincount() > 40).all()


TEST_STARTS_WITH = [7, 0, 0, 8, 3, 8, 8, 5]


def test_parts_share_the_memory_of_the_whole(digits):
    assert digits.train.images.data_ptr() == digits.images.data_ptr()
    assert len(digits.train.test) == 0


def test_size_and_channels_are_as_asked(digits):
    large = load("digits", size=16, channels=3)
    assert large.shape == (3, 16, 16)
    assert torch.equal(large.images[:, 1, ::2, ::2], digits.images[:, 0])
    assert torch.equal(large.with_channels(1).images, digits.resized(16).images)


# Idx -------------------------------------------------------------------------------------------------------------


def write_idx(path, values, packed=False):
    data = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(data) if packed else data)


@pytest.fixture
def mnist(tmp_path):
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for stem, count in (("train", 12), ("t10k", 5)):
        write_idx(folder / f"{stem}-images-idx3-ubyte.gz", noise(count, 6, 7).numpy(), packed=True)
        write_idx(folder / f"{stem}-labels-idx1-ubyte", np.arange(count, dtype=np.uint8) % 10)
    return folder


def test_idx_files_are_read_plain_and_packed(mnist, monkeypatch):
    pictures = load(mnist)
    assert pictures.name == "mnist" and pictures.shape == (1, 6, 7)
    for part, count in ((pictures.train, 12), (pictures.test, 5)):
        wanted = {tuple(image.flatten().tolist()): n % 10 for n, image in enumerate(noise(count, 6, 7))}
        found = zip(part.images.flatten(1).tolist(), part.labels.tolist(), strict=True)
        assert {tuple(image): label for image, label in found} == wanted
    monkeypatch.setenv("VOICEGAN_HOME", str(mnist.parent.parent))
    assert torch.equal(load("mnist").images, pictures.images)


def test_files_that_are_sorted_by_class_are_mixed_within_their_parts(tmp_path):
    for stem in ("train", "t10k"):
        sorted_by_class = np.repeat(np.arange(10, dtype=np.uint8), 20)
        write_idx(tmp_path / f"{stem}-images-idx3-ubyte", noise(200, 2, 2).numpy())
        write_idx(tmp_path / f"{stem}-labels-idx1-ubyte", sorted_by_class)
    for number, label in enumerate(np.repeat(np.arange(4), 10)):
        for part in ("train", "test"):
            save(tmp_path / "folder" / part / f"class-{label}" / f"{number:02d}.png", noise(2, 2).numpy())
    idx, folder = load(tmp_path), load(tmp_path / "folder")
    for part in (idx.train, idx.test):
        assert len(part.labels[:50].unique()) == 10 and (part.labels.bincount() == 20).all()
    for part in (folder.train, folder.test):
        assert len(part.labels[:20].unique()) == 4 and (part.labels.bincount() == 10).all()


def test_missing_idx_files_are_named_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(tmp_path))
    with pytest.raises(
        VoiceganError, match="mnist is not there.*train-images-idx3-ubyte.*data fetch mnist.*give the folder"
    ):
        load("mnist")


def test_one_missing_idx_file_is_named(mnist):
    (mnist / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(VoiceganError, match="holds no t10k-labels-idx1-ubyte"):
        load(mnist)


@pytest.mark.parametrize("spoil", ["short", "header", "gzip", "count"])
def test_damaged_idx_files_are_refused(mnist, spoil):
    packed, plain = mnist / "train-images-idx3-ubyte.gz", mnist / "train-labels-idx1-ubyte"
    if spoil == "short":
        plain.write_bytes(plain.read_bytes()[:-1])
    elif spoil == "header":
        plain.write_bytes(b"\0\0\x0d\1" + plain.read_bytes()[4:])
    elif spoil == "gzip":
        packed.write_bytes(packed.read_bytes()[:-20])
    else:
        write_idx(plain, np.zeros(11, dtype=np.uint8))
    with pytest.raises(VoiceganError, match="idx|labels"):
        load(mnist)


# Folders ---------------------------------------------------------------------------------------------------------


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values)).save(path)


def test_a_flat_folder_has_no_labels_and_holds_a_tenth_out(tmp_path):
    for number in range(20):
        save(tmp_path / f"{number:02d}.png", noise(5, 4, 3, seed=number).numpy())
    save(tmp_path / ".hidden.png", noise(9, 9, 3).numpy())
    (tmp_path / "notes.txt").write_text("no picture")
    pictures = load(tmp_path)
    assert pictures.shape == (3, 5, 4) and pictures.labels is None and pictures.classes == ()
    assert (len(pictures.train), len(pictures.test)) == (18, 2)
    found = {tuple(image.flatten().tolist()) for image in pictures.images}
    assert found == {tuple(noise(5, 4, 3, seed=n).permute(2, 0, 1).flatten().tolist()) for n in range(20)}
    assert torch.equal(load(tmp_path).images, pictures.images)


def test_sub_folders_are_classes_and_given_parts_are_kept(tmp_path):
    for part, kind, seed in (
        ("train", "cat", 1),
        ("train", "dog", 2),
        ("test", "dog", 3),
        ("test", "cat", 4),
    ):
        save(tmp_path / part / kind / f"{seed}.png", noise(4, 4, seed=seed).numpy())
    pictures = load(tmp_path)
    assert pictures.classes == ("cat", "dog") and pictures.shape == (1, 4, 4)
    assert sorted(pictures.train.labels.tolist()) == sorted(pictures.test.labels.tolist()) == [0, 1]
    assert torch.equal(pictures.test.images[pictures.test.labels == 1][0, 0], noise(4, 4, seed=3))


def test_a_size_crops_in_the_middle_and_squeezes_nothing(tmp_path):
    stripes = np.zeros((8, 16), dtype=np.uint8)
    stripes[:, 4:12] = 200
    save(tmp_path / "wide.png", stripes)
    save(tmp_path / "small.png", np.full((3, 5), 200, dtype=np.uint8))
    assert (load(tmp_path, size=8).images == 200).all()


def test_transparency_lies_on_white_and_sixteen_bits_become_eight(tmp_path):
    clear = np.zeros((2, 2, 4), dtype=np.uint8)
    clear[0, 0] = (10, 20, 30, 255)
    save(tmp_path / "a" / "clear.png", clear)
    image = load(tmp_path / "a").images[0]
    assert image[:, 0, 0].tolist() == [10, 20, 30] and (image[:, 1, 1] == 255).all()
    save(tmp_path / "b" / "deep.png", np.array([[0, 65535], [0x8000, 0x1234]], dtype=np.uint16))
    assert load(tmp_path / "b").images.flatten().tolist() == [0, 255, 0x80, 0x12]
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "deep.pgm").write_bytes(b"P5 2 2 65535\n" + bytes.fromhex("0000ffff80001234"))
    assert load(tmp_path / "c").images.flatten().tolist() == [0, 255, 0x80, 0x12]
    assert load(tmp_path / "c", size=1, channels=3).shape == (3, 1, 1)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
def test_values_of_unknown_range_are_refused(tmp_path, kind):
    save(tmp_path / "odd.tif", np.array([[0, 70000], [300, 1]], dtype=kind))
    with pytest.raises(VoiceganError, match="odd.tif holds .* black and white. Save it with 8 or 16 bits"):
        load(tmp_path)


def test_pictures_without_room_are_refused_before_they_fill_it(tmp_path, monkeypatch):
    save(tmp_path / "x.png", noise(4, 4).numpy())
    monkeypatch.setattr("voicegan.image.memory.available", lambda: 1_000_000)
    assert load(tmp_path, size=16).shape == (1, 16, 16)
    for data, size in ((tmp_path, 10**9), ("digits", 32)):
        with pytest.raises(
            VoiceganError, match=f"of {size}×{size} need .* GB are free. Choose a smaller --size"
        ):
            load(data, size=size)


def test_folders_that_make_no_dataset_are_refused(tmp_path):
    with pytest.raises(VoiceganError, match="no data named nowhere, nor a folder.*digits"):
        load("nowhere")
    with pytest.raises(VoiceganError, match="holds no pictures"):
        load(tmp_path)
    save(tmp_path / "a.png", noise(4, 4).numpy())
    save(tmp_path / "b.png", noise(4, 5).numpy())
    with pytest.raises(VoiceganError, match=r"differ in size.*4×4.*5×4|differ in size.*5×4.*4×4"):
        load(tmp_path)
    save(tmp_path / "kind" / "c.png", noise(4, 4).numpy())
    with pytest.raises(VoiceganError, match="both in sub-folders and beside"):
        load(tmp_path, size=4)
    (tmp_path / "kind" / "d.png").write_bytes(b"\x89PNG\r\n\x1a\nno more")
    with pytest.raises(VoiceganError, match=r"d\.png cannot be read|both in sub-folders"):
        load(tmp_path / "kind")


@pytest.mark.parametrize(("size", "channels"), [(0, None), (-1, None), (None, 2), (None, 4)])
def test_impossible_sizes_and_channels_are_refused(size, channels):
    with pytest.raises(VoiceganError):
        load("digits", size=size, channels=channels)


# Points ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "modes", "spacing"), [("ring-8", 8, 100), ("grid-25", 25, 40)])
def test_densities_lie_where_they_say(name, modes, spacing):
    points = load(name)
    assert isinstance(points, Points) and points.centres.shape == (modes, 2)
    assert points.points.abs().max() < 0.95  # within reach of tanh
    off = points.points - points.centres[points.labels]
    assert off.std().item() == pytest.approx(points.deviation, rel=0.02)
    assert off.mean(0).abs().max() < 0.05 * points.deviation
    assert (points.test.labels.bincount() == 200).all()
    if name == "ring-8":
        distance = points.centres.norm(dim=1)
    else:
        apart = torch.cdist(points.centres, points.centres)
        distance = apart[apart > 1e-3].min()[None]
    assert torch.allclose(distance, torch.tensor(spacing * points.deviation))
    with pytest.raises(VoiceganError, match="points"):
        load_pictures(name)
    with pytest.raises(VoiceganError, match="no size"):
        load(name, size=8)


def test_points_are_pictures_of_one_pixel():
    points = load("ring-8")
    batch = source_of(points).batch(draws())
    assert batch["image"].shape == (16, *points.shape)
    nearest = torch.cdist(batch["image"].flatten(1), points.centres).argmin(1)
    assert torch.equal(nearest, batch["label"])
    assert isinstance(source_of(points), PointSource)


# Values, sizes, batches ------------------------------------------------------------------------------------------


def test_values_go_to_floats_and_back():
    every = torch.arange(256, dtype=torch.uint8)
    assert to_float(every).min() == -1 and to_float(every).max() == 1
    assert torch.equal(to_uint8(to_float(every)), every)
    assert to_uint8(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_whole_factors_repeat_and_average():
    images = noise(3, 2, 4, 4)
    assert torch.equal(resize(resize(images, 12), 4), images)
    assert torch.equal(resize(images, 8)[..., 1::2, ::2], images)
    expected = images.double().view(3, 2, 2, 2, 2, 2).mean((3, 5)).round()
    assert torch.equal(resize(images, 2).double(), expected)


@pytest.mark.parametrize("size", [5, 7, 9])
def test_other_sizes_keep_flat_pictures_flat_and_values_in_range(size):
    assert (resize(torch.full((2, 1, 6, 6), 77, dtype=torch.uint8), size) == 77).all()
    checks = (torch.arange(36).view(1, 1, 6, 6) % 2 * 255).to(torch.uint8)
    assert resize(checks, size).shape == (1, 1, size, size)


def test_a_batch_is_of_the_pictures_and_their_labels(digits):
    batch = ImageSource(digits.train).batch(draws(64))
    assert batch["image"].shape == (64, 1, 8, 8) and batch["image"].dtype == torch.float32
    known = {
        tuple(i.flatten().tolist()): int(n)
        for i, n in zip(digits.train.images, digits.train.labels, strict=True)
    }
    for image, label in zip(to_uint8(batch["image"]), batch["label"], strict=True):
        assert known[tuple(image.flatten().tolist())] == int(label)


def test_a_batch_depends_on_the_draws_alone_and_is_shared_by_ranks(digits):
    source = ImageSource(digits, size=16, flip=True)
    whole, again = source.batch(draws(8)), source.batch(draws(8))
    halves = [source.batch(draws(4)), source.batch(draws(4, first=4))]
    assert torch.equal(whole["image"], again["image"])
    assert torch.equal(whole["image"], torch.cat([half["image"] for half in halves]))
    assert not torch.equal(whole["image"], source.batch(draws(8, step=1))["image"])


def test_flipping_mirrors_about_half(digits):
    plain, flipped = (ImageSource(digits, flip=flip).batch(draws(200))["image"] for flip in (False, True))
    same = (plain == flipped).flatten(1).all(1)
    mirrored = (plain.flip(-1) == flipped).flatten(1).all(1)
    assert (same | mirrored).all() and 60 < same.sum() < 140


def test_jitter_cuts_a_larger_picture_anywhere():
    """A slope from left to right and another from top to bottom say where each cut came from."""
    slope = torch.arange(32).expand(32, 32) * 4
    images = to_float(torch.stack([slope, slope.T])[None].to(torch.uint8)).expand(400, -1, -1, -1)
    cut = jittered(images, draws(400), "jitter", 0.125)  # 36 pixels: five places each way
    assert cut.shape == images.shape
    assert cut.min() >= images.min() - 1e-6 and cut.max() <= images.max() + 1e-6
    whole = functional.interpolate(images[:1], (36, 36), mode="bilinear")[0]
    places = {(r, c): whole[:, r : r + 32, c : c + 32] for r in range(5) for c in range(5)}
    found = [next(at for at, part in places.items() if torch.equal(part, picture)) for picture in cut]
    assert len(set(found)) == 25
    assert torch.equal(jittered(images, draws(400), "jitter", 0.0), images)


def test_warping_keeps_range_and_rows(digits):
    images = to_float(digits.images[:400])
    copies = warped(images, draws(400), "warp", 0.25)
    assert copies.shape == images.shape
    assert copies.min() >= images.min() - 1e-6 and copies.max() <= images.max() + 1e-6
    assert torch.equal(warped(images, draws(400), "warp", 0.0), images)
    half = warped(images[200:], draws(200, first=200), "warp", 0.25)
    torch.testing.assert_close(half, copies[200:])  # a sample's map is its own
    assert not torch.equal(copies, images)


def test_warping_moves_a_dot_as_far_as_it_says():
    """The middle of 9 x 9 pixels moves either way by a quarter of half a side, 1.1 pixels, or more in small copies."""
    dot = torch.zeros(500, 1, 9, 9)
    dot[:, :, 4, 4] = 1.0
    copies = warped(dot, draws(500), "warp", 0.25)
    along = torch.arange(9.0) - 4
    middle = (copies.sum(2) * along).sum(-1) / copies.sum((2, 3))
    assert 0.8 < middle.max() < 2.2 and -2.2 < middle.min() < -0.8
    assert abs(middle.mean()) < 0.1


def test_pictures_without_labels_give_batches_without(digits):
    pictures = Pictures("plain", digits.images)
    assert set(ImageSource(pictures).batch(draws())) == {"image"}
    with pytest.raises(VoiceganError, match="no pictures"):
        ImageSource(pictures.test)


def test_a_dataset_that_contradicts_itself_is_refused(digits):
    with pytest.raises(ValueError, match="uint8"):
        Pictures("floats", digits.images.float())
    with pytest.raises(ValueError, match="labels"):
        Pictures("few", digits.images, digits.labels[:-1], digits.classes)
    with pytest.raises(ValueError, match="labels"):
        Pictures("nameless", digits.images, digits.labels, ("0",))
    with pytest.raises(ValueError, match="held out"):
        Pictures("all", digits.images, held_out=len(digits))


# CIFAR-10 --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cifar(tmp_path):
    folder = tmp_path / "data" / "cifar-10"
    folder.mkdir(parents=True)
    for name in (*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"):
        records = noise(3, 3073, seed=len(name) + ord(name[-5]))
        records[:, 0] = torch.tensor([1, 0, 9])
        (folder / name).write_bytes(records.numpy().tobytes())
    return folder


def test_cifar_is_read_in_its_binary_version(cifar, monkeypatch):
    monkeypatch.setenv("VOICEGAN_HOME", str(cifar.parent.parent))
    pictures = load("cifar-10")
    assert pictures.shape == (3, 32, 32) and (len(pictures.train), len(pictures.test)) == (15, 3)
    assert pictures.labels.tolist() == [1, 0, 9] * 6 and pictures.classes[9] == "truck"
    record = (cifar / "data_batch_2.bin").read_bytes()[3073 : 2 * 3073]
    assert pictures.images[4].flatten().tolist() == list(record[1:])
    assert torch.equal(load(cifar).images, pictures.images)


def test_damaged_cifar_files_are_refused(cifar):
    (cifar / "data_batch_3.bin").write_bytes(b"\x01" * 3072)
    with pytest.raises(VoiceganError, match=r"data_batch_3\.bin is not a whole number"):
        load(cifar)
    (cifar / "data_batch_3.bin").write_bytes(b"\x0a" * 3073)
    with pytest.raises(VoiceganError, match="holds a label of 10"):
        load(cifar)
    (cifar / "data_batch_3.bin").unlink()
    with pytest.raises(VoiceganError, match="holds no data_batch_3.*voicegan data fetch cifar-10"):
        load(cifar)
