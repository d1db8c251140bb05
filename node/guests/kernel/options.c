#include "options.h"

#include "finish.h"
#include "print.h"
#include "text.h"

enum { LONGEST_LINE = 511, MOST_WORDS = 32 };

static char line[LONGEST_LINE + 1];
static const char *words[MOST_WORDS];
static u32 count;

static int is_file_name(const char *word)
{
    for (; *word && *word != '='; word++)
        if (*word == '/' || *word == '.')
            return 1;
    return 0;
}

void options_read(const char *text)
{
    u32 first = 0;
    int in_word = 0;
    for (u32 i = 0; i < LONGEST_LINE && text[i]; i++) {
        int space = text[i] == ' ' || text[i] == '\t';
        line[i] = space ? '\0' : text[i];
        if (!space && !in_word && count < MOST_WORDS)
            words[count++] = &line[i];
        in_word = !space;
    }
    if (count && is_file_name(words[0]))
        first = 1;
    count -= first;
    for (u32 i = 0; i < count; i++)
        words[i] = words[i + first];
}

const char *options_workload(void)
{
    return count ? words[0] : "";
}

/* The value of words[index] if it is the option `name`, whose name ends at a NUL or a space. */
static const char *value_of(u32 index, const char *name)
{
    const char *word = words[index];
    for (; *name && *name != ' '; name++)
        if (*word++ != *name)
            return 0;
    return *word == '=' ? word + 1 : 0;
}

static int is_known(u32 index, const char *known)
{
    while (*known) {
        if (value_of(index, known))
            return 1;
        while (*known && *known != ' ')
            known++;
        while (*known == ' ')
            known++;
    }
    return 0;
}

void options_allow(const char *known)
{
    for (u32 i = 1; i < count; i++) {
        if (value_of(i, "exit") || is_known(i, known))
            continue;
        print("%s: unknown option '%s'; it takes: exit %s\n", words[0], words[i], known);
        finish(FAILED);
    }
}

static const char *find(const char *name)
{
    for (u32 i = 1; i < count; i++) {
        const char *value = value_of(i, name);
        if (value)
            return value;
    }
    return 0;
}

int option_given(const char *name)
{
    return find(name) != 0;
}

u32 option_number(const char *name, u32 otherwise)
{
    const char *value = find(name);
    u32 number = otherwise;
    if (!value)
        return otherwise;
    if (text_equal(value, "max"))
        return OPTION_MAX;
    if (!text_number(value, &number)) {
        print("%s: %s=%s is not a number\n", words[0], name, value);
        finish(FAILED);
    }
    return number;
}
