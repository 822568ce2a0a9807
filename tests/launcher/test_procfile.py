from launcher import procfile


def test_commands_come_in_the_file_s_order():
    commands = procfile.commands()
    assert list(commands) == ["web", "stream", "worker", "beat"]
    assert commands["stream"] == "python manage.py runstream"
