"""Python's feed readers subscribe to a running newsdesk and see what they are meant to see, twice.

    readers.py feedparser|reader|rss2email BASE EXPECTED SCRATCH

BASE is the address of a section, with a slash at its end. EXPECTED is a JSON file: a list of entries, newest first,
each with id, title, published (seconds), author, text (words that must stand in the content) and enclosure (or null).
SCRATCH is an empty folder. Prints what differs and ends with status 1, or one line and 0; 3 where the reader is not installed.
"""

import email
import email.header
import email.utils
import importlib.util
import json
import os
import subprocess
import sys
import time
from calendar import timegm


class Differs(Exception):
    pass


def check(what, seen, wanted):
    if seen != wanted:
        raise Differs(f"{what}: {seen!r}, but {wanted!r} is published")


def check_holds(what, text, words):
    if words not in (text or ""):
        raise Differs(f"{what}: {words!r} is not in {text!r}")


def with_feedparser(base, expected, scratch):
    import feedparser

    for name in ["atom.xml", "rss.xml"]:
        url = base + name
        feed = feedparser.parse(url)
        check(f"{name}: bozo", (feed.bozo, feed.get("bozo_exception")), (0, None))
        check(f"{name}: entries", len(feed.entries), len(expected))
        for entry, wanted in zip(feed.entries, expected):
            where = f"{name}: {wanted['title']}"
            check(f"{where}: id", entry.id, wanted["id"])
            check(f"{where}: title", entry.title, wanted["title"])
            check(f"{where}: published", timegm(entry.published_parsed), wanted["published"])
            check(f"{where}: author", entry.author, wanted["author"])
            whole = entry.get("content") or [entry.summary_detail]
            check_holds(f"{where}: content", whole[0].value, wanted["text"])
            check(f"{where}: enclosures", [e.href for e in entry.enclosures][:1], [wanted["enclosure"]] if wanted["enclosure"] else [])
        again = feedparser.parse(url, etag=feed.etag, modified=feed.modified)
        check(f"{name}: second load", (again.status, len(again.entries)), (304, 0))
    # The page's address is enough for those who look for feeds; Atom is the first.
    page = feedparser.parse(base)
    links = [link for link in page.feed.get("links", []) if link.get("rel") == "alternate"]
    check("autodiscovery", [link.href for link in links][:1], [base + "atom.xml"])


def with_reader(base, expected, scratch):
    from reader import make_reader

    for name in ["atom.xml", "rss.xml", "feed.json"]:
        reader = make_reader(os.path.join(scratch, name + ".sqlite"))
        new = []
        reader.after_entry_update_hooks.append(lambda reader, entry, status: new.append((entry.id, status)))
        reader.add_feed(base + name)
        reader.update_feeds()
        feed = reader.get_feed(base + name)
        check(f"{name}: last exception", feed.last_exception, None)
        entries = {entry.id: entry for entry in reader.get_entries()}
        check(f"{name}: ids", sorted(entries), sorted(wanted["id"] for wanted in expected))
        for wanted in expected:
            entry, where = entries[wanted["id"]], f"{name}: {wanted['title']}"
            check(f"{where}: title", entry.title, wanted["title"])
            check(f"{where}: published", int(entry.published.timestamp()), wanted["published"])
            check(f"{where}: author", entry.author, wanted["author"])
            check_holds(f"{where}: content", entry.content[0].value if entry.content else entry.summary, wanted["text"])
            check(f"{where}: enclosures", [e.href for e in entry.enclosures][:1], [wanted["enclosure"]] if wanted["enclosure"] else [])
        check(f"{name}: new at the first load", len(new), len(expected))
        new.clear()
        reader.update_feeds()
        check(f"{name}: new at the second load", new, [])
        reader.close()


def with_rss2email(base, expected, scratch):
    r2e = os.path.join(os.path.dirname(sys.executable), "r2e")
    config, data, mails = (os.path.join(scratch, name) for name in ["rss2email.cfg", "rss2email.json", "mails"])
    environment = dict(os.environ, HOME=scratch, XDG_CONFIG_HOME=scratch, XDG_DATA_HOME=scratch)

    def run(*arguments):
        done = subprocess.run([r2e, "-c", config, "-d", data, *arguments], env=environment, capture_output=True, text=True)
        if done.returncode != 0 or "Traceback" in done.stderr:
            raise Differs(f"r2e {' '.join(arguments)}: {done.stdout}{done.stderr}")

    def received():
        folder = os.path.join(mails, "new")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        messages = [email.message_from_file(open(os.path.join(folder, name), encoding="utf-8")) for name in names]
        words = lambda text: str(email.header.make_header(email.header.decode_header(text)))
        return {message["X-RSS-ID"]: (message, words) for message in messages}

    run("new", "somebody@example.org")
    with open(config, encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith(("email-protocol", "maildir-path", "maildir-mailbox", "date-header ", "date-header="))]
    for at, line in enumerate(lines):
        if line.startswith("[DEFAULT]"):
            lines.insert(at + 1, f"email-protocol = maildir\nmaildir-path = {mails}\nmaildir-mailbox =\ndate-header = True\n")
    with open(config, "w", encoding="utf-8") as file:
        file.writelines(lines)
    os.makedirs(mails)
    for name in ["cur", "new", "tmp"]:
        os.makedirs(os.path.join(mails, name))
    run("add", "news", base + "atom.xml")
    run("run")
    mail = received()
    check("ids", sorted(mail), sorted(wanted["id"] for wanted in expected))
    for wanted in expected:
        (message, words), where = mail[wanted["id"]], wanted["title"]
        check(f"{where}: subject", words(message["Subject"]).strip(), wanted["title"])
        check_holds(f"{where}: from", words(message["From"]), wanted["author"])
        check(f"{where}: date", int(email.utils.parsedate_to_datetime(message["Date"]).timestamp()), wanted["published"])
        body = message.get_payload(decode=True).decode(message.get_content_charset() or "utf-8")
        check_holds(f"{where}: body", " ".join(body.split()), wanted["text"])
        if wanted["enclosure"]:
            check_holds(f"{where}: enclosure", "".join(body.split()), wanted["enclosure"])
    run("run")
    check("mails after the second run", len(received()), len(expected))


READERS = {"feedparser": with_feedparser, "reader": with_reader, "rss2email": with_rss2email}


def main(name, base, expected, scratch):
    if importlib.util.find_spec(name) is None:
        print(f"{name} is not installed")
        return 3
    # Times are compared as instants; nothing here may depend on where the machine stands.
    os.environ["TZ"] = "UTC"
    time.tzset()
    with open(expected, encoding="utf-8") as file:
        expected = json.load(file)
    try:
        READERS[name](base, expected, scratch)
    except Differs as difference:
        print(f"{name}: {difference}")
        return 1
    print(f"{name}: {len(expected)} entries, whole, and nothing twice")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
