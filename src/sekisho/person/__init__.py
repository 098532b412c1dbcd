"""The person's side: a client that asks at a desk where a person's data were used.

Rules this room keeps:

- the identity leaves it only in a form sealed to the history service;
- each answer comes sealed to a key that was drawn for it and is forgotten with it;
- a project whose log is missing is shown as such, never as "no use".

It signs nobody in: the desk at which the client stands does that.
"""

from sekisho.person.asking import Asked, ask, collect
from sekisho.person.view import Project, StandingChoice, Use, View, compose

__all__ = ["Asked", "Project", "StandingChoice", "Use", "View", "ask", "collect", "compose"]
