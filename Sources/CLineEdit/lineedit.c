// libedit's calls with their variable arguments, and the signals that arrive while somebody types.
//
// Why the signals are here: libedit's own handlers send what they caught to the whole process group once more, and a
// signal may reach another thread than the one that reads. So each handler writes into a pipe, and the function that
// libedit asks for the next character waits for the pipe and the terminal both.
#define _GNU_SOURCE
#include "CLineEdit.h"
#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

enum { REMEMBERED = 10000 };

struct inquest_edit {
    EditLine *editor;
    History *history;
    FILE *output;
    const char *prompt;
    inquest_edit_completer completer;
    void *context;
    bool was_interrupted;
    bool has_shown;
};

// One line is read at a time, so that one pipe is enough. Its writing end never blocks.
static int signal_pipe[2] = {-1, -1};

static void on_signal(int number)
{
    int before = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t ignored = write(signal_pipe[1], &byte, 1);
    (void)ignored;
    errno = before;
}

static const int caught[] = {SIGINT, SIGTSTP, SIGWINCH};
enum { CAUGHT = sizeof caught / sizeof caught[0] };

static void catch_signals(struct sigaction before[CAUGHT])
{
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &action, before ? &before[i] : NULL);
}

static struct inquest_edit *edit_of(EditLine *editor)
{
    void *edit = NULL;
    el_get(editor, EL_CLIENTDATA, &edit);
    return edit;
}

// The line once more, from the left margin.
static void redraw(struct inquest_edit *edit)
{
    fputc('\r', edit->output);
    el_set(edit->editor, EL_REFRESH);
}

// Ctrl-Z: the shell gets the terminal as it was, and back it is ours.
static void stop(struct inquest_edit *edit)
{
    el_set(edit->editor, EL_PREP_TERM, 0);
    fputc('\n', edit->output);
    fflush(edit->output);
    struct sigaction ordinary = {0}, ours;
    ordinary.sa_handler = SIG_DFL;
    sigemptyset(&ordinary.sa_mask);
    sigaction(SIGTSTP, &ordinary, &ours);
    raise(SIGTSTP);
    sigaction(SIGTSTP, &ours, NULL);
    el_set(edit->editor, EL_PREP_TERM, 1);
    el_resize(edit->editor);
    redraw(edit);
}

// False when the line is given up.
static bool take_signals(struct inquest_edit *edit)
{
    unsigned char numbers[32];
    ssize_t count = read(signal_pipe[0], numbers, sizeof numbers);
    for (ssize_t i = 0; i < count; i++) {
        if (numbers[i] == SIGINT) {
            edit->was_interrupted = true;
        } else if (numbers[i] == SIGTSTP) {
            stop(edit);
        } else {
            el_resize(edit->editor);
            redraw(edit);
        }
    }
    return !edit->was_interrupted;
}

// The next character: 1, 0 at the end of the input, -1 when the line is given up.
static int next_character(EditLine *editor, wchar_t *character)
{
    struct inquest_edit *edit = edit_of(editor);
    mbstate_t state = {0};
    struct pollfd files[2] = {{STDIN_FILENO, POLLIN, 0}, {signal_pipe[0], POLLIN, 0}};
    for (;;) {
        if (poll(files, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if (files[1].revents && !take_signals(edit)) {
            errno = EINTR;
            return -1;
        }
        if (!files[0].revents)
            continue;
        char byte;
        ssize_t count = read(STDIN_FILENO, &byte, 1);
        if (count < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (count <= 0)
            return (int)count;
        size_t used = mbrtowc(character, &byte, 1, &state);
        if (used == (size_t)-2)
            continue;
        if (used == (size_t)-1)
            *character = L'?'; // no text of this locale: shown as what it is not
        if (used == 0)
            *character = L'\0';
        return 1;
    }
}

static char *prompt_of(EditLine *editor) { return (char *)edit_of(editor)->prompt; }

static unsigned char complete(EditLine *editor, int key)
{
    (void)key;
    struct inquest_edit *edit = edit_of(editor);
    const LineInfo *info = el_line(editor);
    edit->has_shown = false;
    edit->completer(
        edit->context, edit, info->buffer, (size_t)(info->lastchar - info->buffer),
        (size_t)(info->cursor - info->buffer));
    return edit->has_shown ? CC_NORM : CC_REFRESH;
}

static void bind_key(EditLine *editor, const char *key, const char *command)
{
    el_set(editor, EL_BIND, key, command, NULL);
}

// What those expect who know readline, and the keys that a terminal's description may lack.
static void bind_keys(EditLine *editor)
{
    static const char *const keys[][2] = {
        {"^I", "inquest-complete"}, {"^R", "em-inc-search-prev"}, {"^S", "em-inc-search-next"},
        {"^W", "ed-delete-prev-word"}, {"^U", "vi-kill-line-prev"}, {"\\ep", "ed-search-prev-history"},
        {"\\en", "ed-search-next-history"}, {"\\e[A", "ed-prev-history"}, {"\\e[B", "ed-next-history"},
        {"\\e[C", "ed-next-char"}, {"\\e[D", "ed-prev-char"}, {"\\eOA", "ed-prev-history"},
        {"\\eOB", "ed-next-history"}, {"\\eOC", "ed-next-char"}, {"\\eOD", "ed-prev-char"},
        {"\\e[H", "ed-move-to-beg"}, {"\\e[F", "ed-move-to-end"}, {"\\eOH", "ed-move-to-beg"},
        {"\\eOF", "ed-move-to-end"}, {"\\e[1~", "ed-move-to-beg"}, {"\\e[4~", "ed-move-to-end"},
        {"\\e[7~", "ed-move-to-beg"}, {"\\e[8~", "ed-move-to-end"}, {"\\e[3~", "ed-delete-next-char"},
        {"\\e[1;5C", "em-next-word"}, {"\\e[1;5D", "ed-prev-word"}, {"\\e[1;3C", "em-next-word"},
        {"\\e[1;3D", "ed-prev-word"}, {"\\e[5~", "ed-search-prev-history"}, {"\\e[6~", "ed-search-next-history"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        bind_key(editor, keys[i][0], keys[i][1]);
}

struct inquest_edit *inquest_edit_open(const char *program, inquest_edit_completer completer, void *context)
{
    struct inquest_edit *edit = calloc(1, sizeof *edit);
    if (!edit)
        return NULL;
    // Characters of more than a byte need a locale that has them.
    setlocale(LC_CTYPE, "");
    if (MB_CUR_MAX == 1)
        setlocale(LC_CTYPE, "C.UTF-8");
    edit->output = isatty(STDOUT_FILENO) ? stdout : stderr;
    edit->completer = completer;
    edit->context = context;
    edit->prompt = "";
    if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0)
        goto failed;
    edit->history = history_init();
    edit->editor = el_init(program, stdin, edit->output, stderr);
    if (!edit->history || !edit->editor)
        goto failed;
    HistEvent event;
    history(edit->history, &event, H_SETSIZE, REMEMBERED);
    el_set(edit->editor, EL_CLIENTDATA, edit);
    el_set(edit->editor, EL_PROMPT, prompt_of);
    el_set(edit->editor, EL_HIST, history, edit->history);
    el_set(edit->editor, EL_GETCFN, next_character);
    el_set(edit->editor, EL_EDITOR, "emacs");
    el_set(edit->editor, EL_ADDFN, "inquest-complete", "complete the word before the cursor", complete);
    bind_keys(edit->editor);
    // The user's own keys for programs that use libedit, from $EDITRC or the home directory.
    el_source(edit->editor, NULL);
    return edit;
failed:
    inquest_edit_close(edit);
    return NULL;
}

void inquest_edit_close(struct inquest_edit *edit)
{
    if (edit->editor)
        el_end(edit->editor);
    if (edit->history)
        history_end(edit->history);
    free(edit);
}

enum inquest_edit_outcome inquest_edit_read(
    struct inquest_edit *edit, const char *prompt, const char **line, size_t *length)
{
    struct sigaction before[CAUGHT];
    edit->prompt = prompt;
    edit->was_interrupted = false;
    // What arrived after the last line was read belongs to nobody.
    unsigned char old[32];
    while (read(signal_pipe[0], old, sizeof old) > 0)
        continue;
    catch_signals(before);
    int count = 0;
    const char *text = el_gets(edit->editor, &count);
    for (int i = 0; i < CAUGHT; i++)
        sigaction(caught[i], &before[i], NULL);
    edit->prompt = "";
    if (edit->was_interrupted)
        return inquest_edit_interrupted;
    if (!text || count <= 0)
        return inquest_edit_end;
    size_t size = (size_t)count;
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    *line = text;
    *length = size;
    return inquest_edit_line;
}

void inquest_edit_remember(struct inquest_edit *edit, const char *line)
{
    HistEvent event;
    history(edit->history, &event, H_ENTER, line);
}

void inquest_edit_forget(struct inquest_edit *edit)
{
    HistEvent event;
    history(edit->history, &event, H_CLEAR);
}

void inquest_edit_replace(struct inquest_edit *edit, int count, const char *text)
{
    if (count > 0)
        el_deletestr(edit->editor, count);
    if (*text)
        el_insertstr(edit->editor, text);
}

void inquest_edit_show(struct inquest_edit *edit, const char *text)
{
    fputc('\n', edit->output);
    fputs(text, edit->output);
    redraw(edit);
    edit->has_shown = true;
}
