"""Models split by nvinx's own arguments: held where it was planned, and equal bit by bit."""

import warnings

import pytest

from nvinx.catalog import Residency
from nvinx.errors import CheckpointError, DoesNotFitError
from nvinx.overflow import from_config, read_model
from nvinx.overflow.split import Free, plan_overflow
from nvinx.placement import CurrentPlacement


def spilling(max_memory):
    return CurrentPlacement(Residency.GPU_RAM_OVERFLOW, "cpu", None, max_memory, "job")


def loaded(model, placement):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        kwargs = placement.from_pretrained_kwargs(model.folder)
        return model.made.from_pretrained(model.folder, **kwargs)


def whole(model):
    return model.made.from_pretrained(model.folder)


def weights(parts):
    return sum(part.size for part in parts)


def held(of, device_map):
    """Bytes of the model on each device that the map names; tied weights count once."""
    sizes, seen = {}, set()
    for name, tensor in [*of.named_parameters(), *of.named_buffers()]:
        place = max((key for key in device_map if _covers(key, name)), key=len)
        if id(tensor) not in seen:
            seen.add(id(tensor))
            size = tensor.numel() * tensor.element_size()
            sizes[device_map[place]] = sizes.get(device_map[place], 0) + size
    return sizes


def _covers(key, name):
    return key in ("", name) or name.startswith(f"{key}.")


@pytest.mark.parametrize("card", [None, 0], ids=["no card", "a card of 0 bytes"])
@pytest.mark.parametrize("share", [2.0, 0.7, 0.45], ids=["RAM", "RAM and some disk", "disk"])
def test_a_split_model_computes_the_same(model, tmp_path, monkeypatch, share, card):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    reference = whole(model)
    parts = from_config.parts(reference)
    total = weights(parts)
    cards = {} if card is None else {0: card}
    limits = cards | {"cpu": round(total * share), "disk": total}
    split = loaded(model, spilling(limits))
    plan = plan_overflow(
        parts, Free(cards=tuple(cards.values()), ram=limits["cpu"], disk=total), context=0
    )

    assert (plan.disk > 0) == (share < 1)
    assert model.logits(split).equal(model.logits(reference))
    if plan.disk:
        sizes = held(reference, split.hf_device_map)
        tied_head = {"esm": 2 * 64 * 64 * 4}.get(reference.config.model_type, 0)
        assert sizes["disk"] == pytest.approx(plan.disk, abs=tied_head)
        assert sizes["cpu"] == pytest.approx(plan.ram, abs=tied_head)


def test_unequal_cards_get_what_accelerate_would_give_them(model, chance):
    accelerate_utils = pytest.importorskip("accelerate.utils")
    reference = whole(model)
    if reference.config.model_type == "esm":
        pytest.skip("its head is tied and has layers of its own, which travel with the embedding")
    parts = from_config.parts(reference)
    total = weights(parts)
    kept = list(reference._no_split_modules)
    for _ in range(30):
        cards = [chance.randint(total // 4, total) for _ in range(2)]
        split = plan_overflow(parts, Free(cards=cards, ram=2 * total), context=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            device_map = accelerate_utils.infer_auto_device_map(
                reference, max_memory=split.max_memory(), no_split_module_classes=kept
            )
        planned = {n: size for n, size in enumerate(split.cards) if size}
        planned |= {"cpu": split.ram} if split.ram else {}
        assert {d: s for d, s in held(reference, device_map).items() if s} == planned


def test_headers_tell_of_nearly_the_same_split_as_the_model_itself(model, chance):
    reference = whole(model)
    exact, guessed = from_config.parts(reference), read_model.read(model.folder).parts
    total = weights(exact)
    assert weights(guessed) == pytest.approx(total, rel=0.01)
    for _ in range(30):
        free = Free(cards=(chance.randint(total // 3, total),), ram=2 * total)
        one, other = (plan_overflow(parts, free, context=0) for parts in (exact, guessed))
        assert one.ram == pytest.approx(other.ram, abs=0.15 * total)


def test_a_config_alone_is_enough(model, tmp_path):
    config = tmp_path / "config.json"
    config.write_text((model.folder / "config.json").read_text())
    found = read_model.read(tmp_path)

    assert found.size == pytest.approx(read_model.read(model.folder).size, rel=0.01)
    assert found.source == "config.json"


@pytest.mark.parametrize("text", ["{", "{}", '{"model_type": "no_such_model"}'])
def test_a_config_of_no_model_is_told(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(CheckpointError, match="does not describe a model"):
        read_model.read(tmp_path)


def test_what_cannot_be_held_is_not_loaded(model):
    total = weights(read_model.read(model.folder).parts)
    with pytest.raises(DoesNotFitError, match="are missing"):
        loaded(model, spilling({"cpu": total // 2}))
