//! Phase 8, Tags and `where`: what the token, the registry and the request tell before anything is forwarded.

use policy::Reason as R;
use policy::decision::Phase::Tags;

use crate::Interpreter;
use crate::call::Scene;
use crate::denial::{Denial, deny};
use crate::document::Segment;
use crate::phase6_body::Written;
use crate::rules::Rule;

impl Interpreter {
    /// Goes through phase 8 with one rule.
    pub(crate) fn tags_phase(&self, scene: &Scene<'_>, rule: &Rule, written: &Written) -> Result<(), Denial> {
        if !self.where_holds(scene, rule, None) {
            return Err(deny(Tags, R::WhereFalse));
        }
        if scene.target.interaction.is_none() {
            return self.plain_tags(scene, rule);
        }
        let (name, id) = (scene.target.instance_type.as_deref().unwrap_or_default(), scene.target.id.as_deref());
        // The Patient of a compartment's URL is not what is asked for.
        let compartment = scene.target.interaction == Some(policy::operation::Interaction::SearchCompartment);
        if let Some(id) = id.filter(|_| !compartment)
            && self.registry_refuses(scene, rule, name, id)
        {
            return Err(deny(Tags, R::TagMismatch));
        }
        if let Some(state) = &written.state {
            let tags = self.all_tags(state, true);
            self.tags_allow(scene, rule, name, id, tags.as_ref()).map_err(|reason| deny(Tags, reason))?;
        }
        Ok(())
    }

    /// D23: the last parameter segment that follows a literal one names the resource.
    fn plain_tags(&self, scene: &Scene<'_>, rule: &Rule) -> Result<(), Denial> {
        let template = self.operations.get(scene.target.operation).map(|one| one.template.clone()).unwrap_or_default();
        let path = scene.call.path.clone().unwrap_or_default();
        let mut found = None;
        for (at, pair) in template.windows(2).enumerate() {
            if let [Segment::Literal(name), Segment::Parameter(..)] = pair {
                found = path.get(at + 1).map(|id| (name.clone(), id.clone()));
            }
        }
        let (name, id) = found.map_or((String::new(), None), |(name, id)| (name, Some(id)));
        let tags = id.as_deref().and_then(|id| self.registered(&name, id)).unwrap_or_default();
        self.tags_allow(scene, rule, &name, id.as_deref(), Some(&tags)).map_err(|reason| deny(Tags, reason))
    }
}
