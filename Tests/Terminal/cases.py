"""What must work at a terminal. Each test gets a function that starts sessions in a home directory of its own."""
import os
import pathlib
import signal
import stat
import tempfile

from terminal import Failure, Terminal, plain

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
FIXTURES = os.environ.get("INQUEST_FIXTURES", str(ROOT / ".build-fixtures"))
DUMP = str(ROOT / "Fixtures" / "abba.kdump")


class Session(Terminal):
    @staticmethod
    def starter(program):
        home = tempfile.TemporaryDirectory(prefix="inquest-terminal-")

        def start(*arguments, dump=DUMP, symbols=True, rows=30, columns=100, **variables):
            environment = {
                "HOME": home.name, "PATH": os.environ["PATH"], "TERM": "xterm-256color", "LANG": "C.UTF-8",
                "SWIFT_BACKTRACE": "enable=no", "INQUEST_PAGER": "cat",
            }
            environment.update({name: value for name, value in variables.items() if value is not None})
            for name, value in variables.items():
                if value is None:
                    environment.pop(name, None)
            command = [program, dump] + (["-s", FIXTURES] if symbols else []) + list(arguments)
            session = Session(command, environment, rows, columns, home.name)
            session.home = pathlib.Path(home.name)
            return session

        start.home = pathlib.Path(home.name)
        start.keep = home
        return start

    def prompt(self):
        match = self.wait(r"inquest> ")
        self.wait_for_editor()
        return match

    def ask(self, line):
        """Types a line; what is shown until the next prompt."""
        self.send(line + "\r")
        begin = self.mark
        self.prompt()
        return plain(self.seen[begin:self.mark])

    def leave(self):
        self.send("\x04")
        check(self.end() == 0, f"left with status {self.status}")
        self.close()


def check(condition, what):
    if not condition:
        raise Failure(what)


def expect(part, text):
    check(part in text, f"{part!r} is not in {text!r}")


def test_it_begins_with_five_lines(start):
    session = start()
    session.prompt()
    lines = [line for line in plain(session.seen).split("\n") if ": " in line]
    labels = [line.split(":")[0].strip() for line in lines]
    check(labels == ["kernel", "machine", "panic", "when", "missing"], f"it begins with {lines}")
    expect("Linux 6.1.192-klab", lines[0])
    session.leave()


def test_keys_edit_the_line(start):
    session = start()
    session.prompt()
    # Beginning and end, by words, by characters, delete, kill and yank.
    expect("(int) 3\n", session.ask("int 1 + 2\x01pr\x1bf\x1b[D\x1b[D\x1b[D\x05\x01\x1b[C\x1b[C"))
    expect("(int) 7\n", session.ask("print 5 + 2 + 99\x17\x08\x08\x08"))
    expect("(int) 12\n", session.ask("print 11\x1b[D\x1b[3~2"))
    expect("(int) 5\n", session.ask("rubbish\x15print 5"))
    expect("(int) 6\n", session.ask("6\x01print "))
    expect("(int) 8\n", session.ask("+ 5\x01\x0bprint 3 \x19"))
    session.leave()


def test_history_is_kept_searched_and_private(start):
    session = start()
    session.prompt()
    session.ask("print 41 + 1")
    session.ask("print 1000")
    session.ask(" print 7777")
    expect("(int) 1000", session.ask("\x1b[A"))
    session.leave()
    file = start.home / ".local/state/inquest/history"
    check(file.read_text().split("\n") == ["print 41 + 1", "print 1000", ""], f"it kept {file.read_text()!r}")
    check(stat.S_IMODE(file.stat().st_mode) == 0o600, f"the history has mode {file.stat().st_mode:o}")

    session = start()
    session.prompt()
    session.send("\x12")
    session.wait("bck:")
    session.send("41")
    session.wait("print 41")
    expect("(int) 42", session.ask(""))
    expect("(int) 42", session.ask("\x10"))
    expect("(int) 1000", session.ask("\x10\x10"))
    session.leave()
    session = start()  # a file with duplicates is cleaned when it is read
    session.prompt()
    session.leave()
    check(file.read_text() == "print 41 + 1\nprint 1000\n", f"it kept {file.read_text()!r}")


def test_tab_completes(start):
    session = start()
    session.prompt()
    expect('"swapper/0"', session.ask("pri\tinit_ta\t.com\t"))
    expect("(int) 120", session.ask("print init_task.parent->static_p\t"))
    expect("struct list_head {", session.ask("struct list_hea\t"))
    expect("slab caches", session.ask("help slab\t"))
    session.send("ps -\t")
    session.wait("-y STATE +tasks in this state")
    session.wait("inquest> ps -")
    session.send("\x15print init_task.pid\t")
    session.wait("pid_links")
    session.wait("inquest> print init_task.pid")
    session.send("\x15print nosuchname\t")
    expect("nosuchname", session.ask(""))
    (start.home / "a-file-of-ours").write_text("print 77 + 1")
    expect("a-file-of-ours", session.ask("source a-fi\t"))
    session.leave()


def test_mistakes_are_pointed_at(start):
    session = start()
    session.prompt()
    text = session.ask("print 1 + init_tsk")
    expect("did you mean init_task", text)
    expect("\n  print 1 + init_tsk\n            ^\n", text)
    expect("did you mean comm?", session.ask("print init_task.com"))
    expect("did you mean struct task_struct", session.ask("print (struct task_stuct *)0"))
    session.leave()


def test_ctrl_c_gives_a_line_up_and_ctrl_d_leaves(start):
    session = start()
    session.prompt()
    session.send("print 12345")
    session.wait("12345")
    session.send("\x03")
    session.prompt()
    expect("(int) 6", session.ask("print 6"))
    check("12345\n" not in plain(session.seen).split("print 6")[1], "the line was run")
    session.leave()


def test_ctrl_c_stops_a_command_and_keeps_the_session(start):
    session = start(columns=120)
    session.prompt()
    session.send("foreach bt\r")
    session.wait("PID: ")
    session.send("\x03")
    session.wait("interrupted")
    session.prompt()
    expect("(int) 6", session.ask("print 6"))
    session.leave()


def test_ctrl_z_stops_the_program_at_the_prompt(start):
    session = start()
    session.prompt()
    session.send("print 1")
    session.wait("print 1")
    session.send("\x1a")
    session.wait_for_state("T")
    session.signal(signal.SIGCONT)
    session.wait("inquest> .*print 1")
    expect("(int) 12", session.ask("2"))
    session.leave()


def test_a_pager_takes_what_is_longer_than_the_screen(start):
    session = start(INQUEST_PAGER=None, rows=20)
    session.prompt()
    session.ask("print 1")
    session.send("ps\r")
    session.wait("kthreadd")
    session.wait(r"\n:")  # less asks
    session.send("q")
    session.prompt()
    expect("(int) 6", session.ask("print 6"))
    session.leave()


def test_what_fits_goes_without_a_pager(start):
    session = start(INQUEST_PAGER="cat >/dev/null; echo was paged", rows=20)
    session.prompt()
    expect("(int) 1", session.ask("print 1"))
    expect("was paged", session.ask("ps"))
    session.leave()
    session = start("--no-pager", INQUEST_PAGER="cat >/dev/null; echo was paged", rows=20)
    session.prompt()
    expect("kthreadd", session.ask("ps"))
    session.leave()


def test_a_pager_that_is_not_there_is_told(start):
    session = start(INQUEST_PAGER="no-such-pager-anywhere", rows=20)
    session.prompt()
    expect("cannot be started", session.ask("ps"))
    expect("(int) 6", session.ask("print 6"))
    session.leave()


def test_colours_are_for_terminals_that_want_them(start):
    session = start()
    session.prompt()
    session.ask("ps -G 1")
    expect("\x1b[36mffff", session.seen)
    session.leave()
    for variables in [{"NO_COLOR": "1"}, {"TERM": "dumb"}]:
        session = start(**variables)
        session.prompt()
        session.ask("ps -G 1")
        check("\x1b[36m" not in session.seen and "\x1b[31m" not in session.seen, f"coloured with {variables}")
        session.leave()
    session = start("-e", "ps -G 1", "-e", "bt 1")
    check(session.end() == 0 and "\x1b[36mffff" in session.seen, "a command at a terminal has no colours")
    session.close()


def test_json_has_no_colours(start):
    session = start("--json")
    session.prompt()
    expect('{"kind":"task"', session.ask("ps -G 1"))
    check("\x1b[36m" not in session.seen.split("ps -G 1")[1], "JSON is coloured")
    session.leave()


def test_the_screen_may_change_its_size(start):
    session = start(columns=100)
    session.prompt()
    session.send("print 1 + 1")
    session.wait(r"1 \+ 1")
    session.resize(10, 40)
    session.wait(r"print 1 \+ 1")  # drawn again
    expect("(int) 24", session.ask("\x7f23"))
    session.send("print init_\t")
    session.wait("and [0-9]+ more")
    session.send("\x15")
    session.leave()


def test_the_rc_file_is_run_and_never_that_of_the_folder(start):
    folder = start.home / ".config/inquest"
    folder.mkdir(parents=True)
    (folder / "rc").write_text("# mine\nprint 4000 + 242\nnonsense here\n")
    for name in ["rc", ".inquestrc", "inquest/rc"]:
        path = start.home / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("print 666 * 1000\n")
    session = start()
    session.prompt()
    text = plain(session.seen)
    expect("(int) 4242", text)
    expect("inquest/rc:3", text)
    check("666000" not in text, "a file of the working directory was run")
    session.leave()
    session = start("--no-rc")
    session.prompt()
    check("4242" not in session.seen, "--no-rc runs the rc file")
    session.leave()


def test_a_dumb_terminal_is_read_as_it_is(start):
    session = start(TERM="dumb")
    session.prompt()
    expect("(int) 6", session.ask("print 6"))
    session.leave()


def test_characters_of_several_bytes_are_edited(start):
    session = start()
    session.prompt()
    expect("no command äöx", session.ask("äüx\x1b[D\x7fö"))
    session.leave()


def test_the_prompt_shows_the_dialect_and_tab_knows_its_commands(start):
    session = start()
    session.prompt()
    session.send("dialect mdb\r")
    session.wait(r"\n\r?> ")
    session.send("init_task::sizeo\t")
    session.wait(r"sizeo.*f ")
    session.send("\x15::walk tas\t")
    session.wait(r"tas.*k ")
    session.send("\x15::dialect inquest\r")
    session.prompt()
    session.leave()


def test_a_file_and_the_shell_take_output(start):
    session = start()
    session.prompt()
    session.ask("ps > list.txt")
    expect("kthreadd", (start.home / "list.txt").read_text())
    check("\x1b" not in (start.home / "list.txt").read_text(), "a file is coloured")
    text = session.ask("ps | grep kthreadd")
    expect("kthreadd", text)
    check("rcu_gp" not in text, "grep did not choose")
    session.leave()
