import pytest

from launcher.preparation import Preparation


@pytest.fixture
def settings(own_folder, monkeypatch):
    monkeypatch.setenv("VAR_DIR", str(own_folder))
    return monkeypatch


async def test_settings_are_told_before_anything_is_changed(own_folder, settings):
    settings.setenv("PORT", "8123")
    preparation = await Preparation.start()
    configuration = await preparation.configuration()
    assert configuration is not None
    assert (configuration.var_dir, configuration.port) == (str(own_folder), 8123)
    await preparation.kill()
    assert not (own_folder / "db.sqlite3").exists()


async def test_settings_that_cannot_be_used_are_none(settings):
    settings.setenv("SMA_PERIOD", "many")
    preparation = await Preparation.start()
    assert await preparation.configuration() is None
    assert await preparation.returncode() == 1
