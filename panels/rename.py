"""Another name for a run, or for a race."""

from __future__ import annotations

from contextlib import suppress

import streamlit as st

from tlcore import runs
from tlcore.runs import Run, UnknownRun


@st.dialog("Rename")
def rename(run: Run) -> None:
    label = st.text_input("Name", run.label, max_chars=200)
    if st.button("Save", type="primary"):
        with suppress(UnknownRun):  # deleted by another visitor meanwhile
            runs.rename(run.id, label)
        st.rerun()
