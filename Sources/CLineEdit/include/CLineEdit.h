// libedit behind functions that Swift can call: its own take variable arguments.
#ifndef INQUEST_CLINEEDIT_H
#define INQUEST_CLINEEDIT_H
#include <stdbool.h>
#include <stddef.h>

/// An editor of lines at the terminal, and the lines that it remembers.
struct inquest_edit;

enum inquest_edit_outcome {
    inquest_edit_line,
    inquest_edit_interrupted,
    inquest_edit_end,
};

/// Called for TAB with the line so far, not terminated, and the cursor's place in it, in bytes. May call
/// inquest_edit_replace and inquest_edit_show; the text is gone after the first of them.
typedef void (*inquest_edit_completer)(
    void *_Nullable context, struct inquest_edit *_Nonnull edit, const char *_Nonnull line, size_t length,
    size_t cursor);

/// Edits on standard input and what of standard output and standard error is a terminal. NULL where libedit finds none,
/// or without memory. `context` is handed to `completer` and must live until inquest_edit_close.
struct inquest_edit *_Nullable inquest_edit_open(
    const char *_Nonnull program, inquest_edit_completer _Nonnull completer, void *_Nullable context);
void inquest_edit_close(struct inquest_edit *_Nonnull edit);

/// Reads a line. Where it returns inquest_edit_line, `*line` has `*length` bytes without the newline, which live until the
/// next call. Ctrl-C is caught while it waits, Ctrl-Z stops the program with the terminal as it was before.
enum inquest_edit_outcome inquest_edit_read(
    struct inquest_edit *_Nonnull edit, const char *_Nonnull prompt, const char *_Nullable *_Nonnull line,
    size_t *_Nonnull length);

/// Puts a line behind the remembered ones.
void inquest_edit_remember(struct inquest_edit *_Nonnull edit, const char *_Nonnull line);
/// Forgets all lines.
void inquest_edit_forget(struct inquest_edit *_Nonnull edit);

/// For a completer: removes `count` characters before the cursor and puts `text` there.
void inquest_edit_replace(struct inquest_edit *_Nonnull edit, int count, const char *_Nonnull text);
/// For a completer: shows `text`, whole lines, below the line that is edited; then the line again.
void inquest_edit_show(struct inquest_edit *_Nonnull edit, const char *_Nonnull text);

#endif
